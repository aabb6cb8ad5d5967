// An error on any rank ends all of them soon, with its exit code, and is said once.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

#include "base/clock.hpp"

namespace dfascale {
namespace {

struct Outcome {
  int code;
  std::string said;  ///< stdout and stderr
  double seconds;
};

Outcome launch(int ranks, const std::string& what) {
  std::string command = "'" + std::string(FAILING_RANKS) + "' " + what + " 2>&1";
  if (ranks > 0) {
    command = std::string(MPIEXEC) + " -n " + std::to_string(ranks) +
              " --oversubscribe --mca mpi_yield_when_idle 1 " + command;
  }
  const double start = seconds_now();
  FILE* pipe = popen(command.c_str(), "r");
  Outcome outcome{-1, "", 0};
  std::array<char, 4096> buffer;
  while (pipe && std::fgets(buffer.data(), buffer.size(), pipe)) outcome.said += buffer.data();
  const int status = pipe ? pclose(pipe) : -1;
  if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
  outcome.seconds = seconds_now() - start;
  return outcome;
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(ExitCodes, WithoutLauncherItIsOneRank) {
  EXPECT_EQ(launch(0, "nothing").code, 0);
  EXPECT_EQ(launch(0, "stopped").code, 75);
  const Outcome outcome = launch(0, "all");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.said, "dfascale: a mistake of all ranks\n");
  EXPECT_EQ(launch(0, "unknown").code, 6);
}

struct Case {
  const char* what;
  int code;
  const char* said;
};

class ExitCodesOnRanks : public testing::TestWithParam<Case> {};

TEST_P(ExitCodesOnRanks, EndAllSoonAndSpeakOnce) {
  const Case& expected = GetParam();
  const Outcome outcome = launch(3, expected.what);
  EXPECT_EQ(outcome.code, expected.code) << outcome.said;
  EXPECT_EQ(count(outcome.said, expected.said), 1) << outcome.said;
  EXPECT_LT(outcome.seconds, 15) << "an error is to end all ranks within 10 s of its throw";
}

INSTANTIATE_TEST_SUITE_P(Each, ExitCodesOnRanks,
                         testing::Values(Case{"all", 2, "dfascale: rank 0: a mistake of all ranks"},
                                         Case{"last", 3, "dfascale: rank 2: only the last rank"},
                                         Case{"first", 4, "dfascale: rank 0: only the first rank"},
                                         Case{"unknown", 6, "dfascale: rank 0: not an Error"}),
                         [](const auto& info) { return std::string(info.param.what); });

TEST(ExitCodes, ACodeReturnedByAllRanksIsTheLaunchers) {
  EXPECT_EQ(launch(2, "nothing").code, 0);
  EXPECT_EQ(launch(2, "stopped").code, 75);
}

}  // namespace
}  // namespace dfascale
