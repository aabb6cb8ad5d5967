// The end-of-run table: what is counted as a step's time.
#include <gtest/gtest.h>

#include "train/trace.hpp"

namespace dfascale {
namespace {

TEST(Trace, CountsWhatHappensInSteps) {
  Trace trace;
  const auto forward = [&](double start, double end) {
    trace.add(Spent::forward, "forward", 0, 0, start, end);
  };
  forward(0, 100);  // validation before the first step
  trace.begin_step();
  forward(100, 101);
  trace.add(Spent::idle, "idle", 0, 0, 101, 105);
  trace.end_step();
  forward(105, 200);
  trace.begin_step();
  forward(200, 202);
  trace.end_step();
  EXPECT_EQ(trace.seconds()[static_cast<std::size_t>(Spent::forward)], 3);
  EXPECT_EQ(trace.seconds()[static_cast<std::size_t>(Spent::idle)], 4);
}

}  // namespace
}  // namespace dfascale
