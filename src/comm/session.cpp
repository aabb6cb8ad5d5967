#include "comm/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <new>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"

namespace dfascale {
namespace {

void say_error(const std::string& rank, const std::string& message) {
  std::fprintf(stderr, "dfascale: %s%s\n", rank.c_str(), message.c_str());
}

/// Says what went wrong and stops.  Ranks above 0 wait a little first: where all ranks fail alike,
/// rank 0 has then spoken and ended them.
int stop(Exit code, const std::string& message) {
  const int exit_code = static_cast<int>(code);
  if (!ranks_are_joined()) {
    say_error("", message);
    return exit_code;
  }
  std::this_thread::sleep_for(std::chrono::seconds(std::min(own_rank(), 2)));
  say_error(fmt::format("rank {}: ", own_rank()), message);
  end_all_ranks(exit_code);
}

}  // namespace

Session::Session() { log::speak_on_this_rank(comm_.rank() == 0); }

int run_guarded(const std::function<int()>& body) {
  try {
    return body();
  } catch (const Error& error) {
    return stop(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return stop(Exit::device,
                "out of host memory: use more ranks, a smaller micro-batch or a smaller "
                "model");
  } catch (const std::exception& error) {
    return stop(Exit::device, error.what());
  }
}

}  // namespace dfascale
