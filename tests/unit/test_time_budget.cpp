// A run with limited time stops early enough for its checkpoint, and not earlier.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <ctime>

#include "train/time_budget.hpp"

namespace dfascale {
namespace {

// A budget whose time passes when the test says so.
class Budget : public testing::Test {
 protected:
  TimeBudget of(double seconds) {
    return {seconds, [this] { return now_; }};
  }
  // Steps of so many seconds until the budget is spent; the time then.
  double run(TimeBudget& budget, double step) {
    do now_ += step;
    while (!budget.is_spent());
    return now_;
  }

  double now_ = 1000;
};

TEST_F(Budget, LeavesTimeForTheCheckpointAndAnotherStep) {
  TimeBudget budget = of(600);
  budget.note_checkpoint(40);
  const double stopped = run(budget, 7);
  const double left = 1600 - stopped;
  EXPECT_GE(left, 40);           // this checkpoint
  EXPECT_LT(left, 2 * 40 + 17);  // one more step would have left less than two and some slack
}

TEST_F(Budget, TheLongestStepCounts) {
  TimeBudget quick = of(100);
  const double after_quick = run(quick, 1) - 1000;
  TimeBudget slow = of(100);
  now_ += 30;  // a step with a validation
  ASSERT_FALSE(slow.is_spent());
  const double begun = now_ - 30;
  const double after_slow = run(slow, 1) - begun;
  EXPECT_NEAR(after_quick - after_slow, 29, 1.5);
}

TEST_F(Budget, SizeIsAGuessUntilOneIsMeasured) {
  TimeBudget budget = of(100);
  budget.expect_checkpoint(4'000'000'000);  // 40 s at the rate that is assumed
  now_ += 25;
  EXPECT_TRUE(budget.is_spent());
  budget.note_checkpoint(2);
  EXPECT_FALSE(budget.is_spent());
  budget.expect_checkpoint(4'000'000'000);
  EXPECT_FALSE(budget.is_spent());
  budget.note_checkpoint(50);
  budget.note_checkpoint(2);
  EXPECT_TRUE(budget.is_spent()) << "the longest counts";
}

TEST_F(Budget, WithoutALimit) {
  ::unsetenv("SLURM_JOB_END_TIME");  // the test itself may run in a job
  TimeBudget budget(0);
  budget.note_checkpoint(1e6);
  EXPECT_FALSE(budget.is_spent());
  EXPECT_TRUE(std::isinf(budget.seconds_left()));
}

TEST(JobEnd, FromText) {
  EXPECT_EQ(seconds_until_job_end("1700000600", 1700000000), 600);
  for (const char* text : {"", "soon", "1700000600x", "Unknown"})
    EXPECT_TRUE(std::isinf(seconds_until_job_end(text, 1700000000))) << text;
  EXPECT_TRUE(std::isinf(seconds_until_job_end("1700000000", 1700000001))) << "another job's";
}

TEST(JobEnd, TheSoonerOfJobAndWalltime) {
  ::setenv("SLURM_JOB_END_TIME", std::to_string(std::time(nullptr) + 500).c_str(), 1);
  EXPECT_NEAR(TimeBudget(0).seconds_left(), 500, 5);
  EXPECT_NEAR(TimeBudget(100).seconds_left(), 100, 5);
  EXPECT_NEAR(TimeBudget(1000).seconds_left(), 500, 5);
  ::unsetenv("SLURM_JOB_END_TIME");
  EXPECT_NEAR(TimeBudget(1000).seconds_left(), 1000, 5);
}

}  // namespace
}  // namespace dfascale
