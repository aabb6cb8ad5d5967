// A loop over independent indices on several threads; each index writes only its own result.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace dfascale::fit {

/// Calls body(i) for i in 0 .. count - 1 on `threads` threads (0: all cores).  The first exception
/// is rethrown.
template <class Body>
void parallel_for(std::int64_t count, int threads, const Body& body) {
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  const auto work = [&] {
    try {
      for (std::int64_t i = next++; i < count; i = next++) body(i);
    } catch (...) {
      const std::lock_guard lock(guard);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<std::jthread> helpers;
  try {
    for (std::int64_t i = 1; i < std::min(threads > 0 ? threads : cores, count); ++i)
      helpers.emplace_back(work);
  } catch (const std::system_error&) {  // those that could be started do the work
  }
  work();
  helpers.clear();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace dfascale::fit
