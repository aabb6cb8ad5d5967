#include "comm/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <new>
#include <system_error>
#include <thread>

#include "base/error.hpp"
#include "base/last_words.hpp"
#include "base/log.hpp"
#include "kernels/gemm_check.hpp"

namespace dfascale {
namespace {

void say_error(const std::string& rank, const std::string& message) {
  std::fprintf(stderr, "dfascale: %s%s\n", rank.c_str(), message.c_str());
}

/// Says what went wrong and stops.  Ranks above 0 tell rank 0 and wait a little first: where all
/// ranks fail alike, or rank 0 records what happened, it has then spoken and ended them.
int stop(const Error& error, const std::string& whose) {
  const int exit_code = static_cast<int>(error.code());
  if (!ranks_are_joined()) {
    say_error("", error.what());
    return exit_code;
  }
  tell_failure(error);
  std::this_thread::sleep_for(std::chrono::seconds(std::min(own_rank(), 2)));
  say_error(whose, error.what());
  end_all_ranks(exit_code);
}

std::string own_name() { return fmt::format("rank {}: ", own_rank()); }

}  // namespace

Session::Session(Uses uses) {
  log::speak_on_this_rank(comm_.rank() == 0);
  if (uses == Uses::ranks) return;
  device_ = device_scope_.emplace(comm_.local_rank()).device();
  check_products(device_);
}

int run_guarded(const std::function<int()>& body) {
  try {
    return body();
  } catch (const OtherRanksError& error) {
    return stop(error, "");  // names its rank
  } catch (const Error& error) {
    return stop(error, own_name());
  } catch (const std::bad_alloc&) {
    release_memory_for_last_words();
    return stop(Error(Exit::device,
                      "out of host memory: use more ranks, a smaller micro-batch or a smaller "
                      "model, or raise the limit of memory (ulimit -v)"),
                own_name());
  } catch (const std::system_error& error) {
    return stop(Error(Exit::device,
                      fmt::format("the system refuses a thread or another means: {}; look at the "
                                  "limits of processes and memory (ulimit -a)",
                                  error.what())),
                own_name());
  } catch (const std::exception& error) {
    return stop(Error(Exit::device, error.what()), own_name());
  }
}

}  // namespace dfascale
