// Learning-rate schedules at places that can be worked out by hand.
#include <gtest/gtest.h>

#include "optim/rate.hpp"

namespace dfascale {
namespace {

constexpr std::int64_t step_tokens = 10;

/// 100 steps, the first 20 of them warm-up, rate 1 to a floor of 0.1, the last 20 decay.
OptimSettings schedule(RateSchedule shape) {
  OptimSettings optim{};
  optim.learning_rate = 1;
  optim.schedule = shape;
  optim.tokens = 100 * step_tokens;
  optim.warmup_tokens = 20 * step_tokens;
  optim.floor = 0.1;
  optim.decay_share = 0.2;
  return optim;
}

double rate(RateSchedule shape, std::int64_t step) {
  return learning_rate_at(schedule(shape), step, step_tokens);
}

struct Case {
  const char* name;
  RateSchedule shape;
  double after_a_quarter, halfway, at_90;  ///< of the 80 steps after warm-up; at step 90 of 100
};

const Case cases[] = {
    {"cosine", RateSchedule::cosine, 0.1 + 0.9 * 0.5 * (1 + 0.70710678118654752), 0.55,
     0.1 + 0.9 * 0.5 * (1 - 0.92387953251128674)},
    {"constant", RateSchedule::constant, 1, 1, 1},
    {"linear", RateSchedule::linear, 1 - 0.9 / 4, 0.55, 1 - 0.9 * 70 / 80},
    {"wsd", RateSchedule::wsd, 1, 1, 0.55},
};

class Rate : public testing::TestWithParam<Case> {};

TEST_P(Rate, WarmsUpInALineToTheFullRate) {
  for (const std::int64_t step : {0, 4, 18})
    EXPECT_DOUBLE_EQ(rate(GetParam().shape, step), static_cast<double>(step + 1) / 20);
  EXPECT_DOUBLE_EQ(rate(GetParam().shape, 19), 1);
  EXPECT_DOUBLE_EQ(rate(GetParam().shape, 20), 1);
}

TEST_P(Rate, ThenFollowsItsShapeToTheFloor) {
  const Case& c = GetParam();
  EXPECT_NEAR(rate(c.shape, 40), c.after_a_quarter, 1e-12);
  EXPECT_NEAR(rate(c.shape, 60), c.halfway, 1e-12);
  EXPECT_NEAR(rate(c.shape, 90), c.at_90, 1e-12);
  EXPECT_NEAR(rate(c.shape, 100), c.shape == RateSchedule::constant ? 1 : 0.1, 1e-12);
  for (std::int64_t step = 20; step < 100; ++step)
    EXPECT_LE(rate(c.shape, step + 1), rate(c.shape, step)) << step;
}

INSTANTIATE_TEST_SUITE_P(Each, Rate, testing::ValuesIn(cases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Rate, WarmUpWithinOneStepOrOverAllOfThem) {
  OptimSettings optim = schedule(RateSchedule::wsd);
  optim.warmup_tokens = 0;
  EXPECT_DOUBLE_EQ(learning_rate_at(optim, 0, step_tokens), 1);
  optim.warmup_tokens = step_tokens / 2;
  EXPECT_DOUBLE_EQ(learning_rate_at(optim, 0, step_tokens), 1);
  optim.warmup_tokens = optim.tokens;
  EXPECT_DOUBLE_EQ(learning_rate_at(optim, 98, step_tokens), 0.99);
  EXPECT_DOUBLE_EQ(learning_rate_at(optim, 99, step_tokens), 1);
}

TEST(Rate, DecayOfMoreThanIsLeftBeginsAfterWarmUp) {
  OptimSettings optim = schedule(RateSchedule::wsd);
  optim.decay_share = 1;
  EXPECT_NEAR(learning_rate_at(optim, 60, step_tokens), 0.55, 1e-12);
}

}  // namespace
}  // namespace dfascale
