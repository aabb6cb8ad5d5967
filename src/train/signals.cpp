#include "train/signals.hpp"

#include <array>
#include <csignal>

namespace dfascale {
namespace {

constexpr std::array watched = {SIGTERM, SIGUSR1, SIGINT};

volatile std::sig_atomic_t asked = 0;
std::array<struct sigaction, watched.size()> found;

// oneDNN's generated code uses the stack pointer for its own ends: a handler's frame on the stack
// in use would overwrite the heap there (seen with 2.6 as a crash in 1 of 14 stops during sgemm).
alignas(64) std::array<char, 128 * 1024> handler_stack;
stack_t found_stack;

extern "C" void ask_to_stop(int signal) {
  asked = 1;
  if (signal == SIGINT) std::signal(SIGINT, SIG_DFL);
}

}  // namespace

StopSignals::StopSignals() {
  asked = 0;
  stack_t stack{};
  stack.ss_sp = handler_stack.data();
  stack.ss_size = handler_stack.size();
  sigaltstack(&stack, &found_stack);
  struct sigaction action {};
  action.sa_handler = ask_to_stop;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < watched.size(); ++i) sigaction(watched[i], &action, &found[i]);
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < watched.size(); ++i) sigaction(watched[i], &found[i], nullptr);
  sigaltstack(&found_stack, nullptr);
}

bool StopSignals::raised() const { return asked != 0; }

}  // namespace dfascale
