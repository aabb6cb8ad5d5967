// Stop signals: heard, given back, ignored, and handled on a stack of their own
// (base/stop_signals.cpp says why).
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/stop_signals.hpp"

namespace dfascale {
namespace {

struct sigaction action_of(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action;
}

TEST(StopSignals, AreHeardOnAStackOfTheirOwn) {
  EXPECT_EXIT(
      {
        hear_stop_signals();
        stack_t stack{};
        sigaltstack(nullptr, &stack);
        bool good = !is_asked_to_stop() && (stack.ss_flags & SS_DISABLE) == 0;
        for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU})
          good = good && (action_of(signal).sa_flags & SA_ONSTACK) != 0;
        std::raise(SIGTERM);
        std::raise(SIGTERM);
        std::exit(good && is_asked_to_stop() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(StopSignals, ActWhenTheyAreGivenBack) {
  EXPECT_EXIT(
      {
        hear_stop_signals();
        std::raise(SIGUSR1);
        give_back_stop_signals();
        std::exit(0);
      },
      testing::KilledBySignal(SIGUSR1), "");
}

TEST(StopSignals, AreIgnoredOnceTheEndIsCertain) {
  EXPECT_EXIT(
      {
        hear_stop_signals();
        std::raise(SIGINT);
        ignore_stop_signals();
        for (const int signal : {SIGINT, SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU})
          std::raise(signal);
        std::exit(7);
      },
      testing::ExitedWithCode(7), "");
}

void interrupt_twice() {
  hear_stop_signals();
  std::raise(SIGINT);
  std::raise(SIGINT);
  std::exit(0);
}

TEST(StopSignals, ASecondInterruptEndsAtOnceUnlessALauncherSendsIt) {
  EXPECT_EXIT(interrupt_twice(), testing::KilledBySignal(SIGINT), "");
  ::setenv("PMIX_RANK", "0", 1);
  EXPECT_EXIT(interrupt_twice(), testing::ExitedWithCode(0), "");
  ::unsetenv("PMIX_RANK");
}

TEST(StopSignals, AHangUpThatIsIgnoredStaysSo) {
  EXPECT_EXIT(
      {
        std::signal(SIGHUP, SIG_IGN);
        hear_stop_signals();
        std::raise(SIGHUP);
        std::exit(is_asked_to_stop() ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(CleanUpOnStop, ComesBeforeTheEnd) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const CleanUpOnStop tidy([] { static_cast<void>(::write(STDERR_FILENO, "tidied", 6)); });
        ::kill(::getpid(), SIGTERM);
        ::sleep(60);
      },
      testing::KilledBySignal(SIGTERM), "tidied");
}

TEST(CleanUpOnStop, LeavesSignalsAsTheyWere) {
  EXPECT_EXIT(
      {
        {
          const CleanUpOnStop tidy([] { ::_exit(1); });
        }
        std::raise(SIGHUP);
      },
      testing::KilledBySignal(SIGHUP), "");
}

}  // namespace
}  // namespace dfascale
