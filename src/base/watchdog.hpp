// Warnings about calls that do not come back: the waits inside libraries, which cannot look at a
// clock themselves.
#pragma once

#include <chrono>

namespace dfascale {

/// Says on the terminal what this rank waits for, when the call around which it lives has taken a
/// minute, and again after every further doubling.  Time for which the process was stopped does not
/// count.
class Watched {
 public:
  /// `call` lives as long: a literal.
  Watched(int rank, const char* call);
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
};

/// Looks as often as this from now on, where it is once a second: for tests.
void set_pace_of_watchdog(std::chrono::milliseconds between_looks);

}  // namespace dfascale
