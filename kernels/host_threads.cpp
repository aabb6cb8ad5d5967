#include "kernels/host_threads.hpp"

#include <omp.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <latch>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"

namespace dfascale {
namespace {

constexpr int most_threads = 1024;

/// Of "4,2" the first: regions are not nested here.
int threads_asked() {
  const char* variable = std::getenv("OMP_NUM_THREADS");
  std::string_view text = variable == nullptr ? "" : variable;
  if (text.empty()) return 1;
  text = text.substr(0, text.find(','));
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  int threads = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), threads);
  if (error != std::errc() || end != text.end() || threads < 1 || threads > most_threads)
    fail(Exit::usage,
         "OMP_NUM_THREADS = \"{}\": expected the number of threads of a rank, from 1 to {}; one "
         "for each core that the rank has",
         variable, most_threads);
  return threads;
}

/// OpenMP itself would end the program, with words of its own, where a thread cannot be started.
void expect_startable(int threads) {
  std::vector<std::jthread> started;
  std::latch all_there(1);
  std::string reason;
  try {
    for (int t = 1; t < threads; ++t) started.emplace_back([&] { all_there.wait(); });
  } catch (const std::system_error& error) {
    reason = error.code().message();
  } catch (const std::bad_alloc&) {
    reason = "out of memory";
  }
  all_there.count_down();
  if (!reason.empty())
    fail(Exit::device,
         "OMP_NUM_THREADS = {}: only {} threads can be started ({}); ask for fewer, or raise the "
         "limit of memory (ulimit -v) or of processes (ulimit -u, pids.max of the job's cgroup)",
         threads, started.size() + 1, reason);
}

int size_of_team(int threads) {
  int size = 1;
#pragma omp parallel num_threads(threads)
  {
#pragma omp single
    size = omp_get_num_threads();
  }
  return size;
}

}  // namespace

int start_threads() {
  const int asked = threads_asked();
  omp_set_dynamic(0);
  expect_startable(std::min(asked, omp_get_thread_limit()));
  const int threads = size_of_team(asked);
  omp_set_num_threads(threads);
  if (threads < asked)
    log::warn(
        "OMP_NUM_THREADS = {}, but OpenMP gives {} thread(s): this rank computes with as many; see "
        "OMP_THREAD_LIMIT and OMP_MAX_ACTIVE_LEVELS",
        asked, threads);
  return threads;
}

}  // namespace dfascale
