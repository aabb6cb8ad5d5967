// Stop signals: heard, given back, and handled on a stack of their own (train/signals.cpp says
// why).
#include <gtest/gtest.h>

#include <csignal>

#include "train/signals.hpp"

namespace dfascale {
namespace {

struct sigaction action_of(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action;
}

TEST(StopSignals, AreHeardAndGivenBack) {
  const auto before = action_of(SIGTERM).sa_handler;
  {
    const StopSignals signals;
    EXPECT_FALSE(signals.raised());
    std::raise(SIGTERM);
    EXPECT_TRUE(signals.raised());
  }
  EXPECT_EQ(action_of(SIGTERM).sa_handler, before);
  EXPECT_FALSE(StopSignals().raised());
}

TEST(StopSignals, HaveAStackOfTheirOwn) {
  const StopSignals signals;
  stack_t stack{};
  sigaltstack(nullptr, &stack);
  EXPECT_EQ(stack.ss_flags & SS_DISABLE, 0);
  for (const int signal : {SIGTERM, SIGUSR1, SIGINT})
    EXPECT_NE(action_of(signal).sa_flags & SA_ONSTACK, 0) << signal;
}

}  // namespace
}  // namespace dfascale
