// Calls that do not come back are told; others are not.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include "base/watchdog.hpp"

namespace dfascale {
namespace {

/// What the first line on stderr says, once one comes, while something is watched.
std::string first_line_while_watched() {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return "no pipe";
  const int before = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  ::close(ends[1]);
  std::string line;
  {
    const Watched watched(3, "MPI_Made_up");
    for (char c = 0; ::read(ends[0], &c, 1) == 1 && c != '\n';) line += c;
  }
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(ends[0]);
  return line;
}

TEST(Watchdog, TellsWhatDoesNotComeBack) {
  set_pace_of_watchdog(std::chrono::milliseconds(1));
  for (int i = 0; i < 1000; ++i) const Watched soon_over(0, "MPI_Soon_over");
  EXPECT_EQ(first_line_while_watched(), "warning: rank 3: waits in MPI_Made_up, for 60 s");
}

}  // namespace
}  // namespace dfascale
