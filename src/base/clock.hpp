// Time for measuring (monotonic, seconds) and for records (UTC text).
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace dfascale {

/// Seconds since an arbitrary start; never goes back.
inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// As file systems write it; may go back.
inline std::int64_t nanoseconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

/// Processor time of the calling thread: does not count while others have its core.
inline double processor_seconds_now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace dfascale
