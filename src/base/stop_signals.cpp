#include "base/stop_signals.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "base/file_descriptor.hpp"

namespace dfascale {
namespace {

constexpr std::array watched = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};

static_assert(std::atomic<int>::is_always_lock_free);
std::atomic<int> asked{0};  // the first stop signal heard; 0: none
std::atomic<int> interrupts{0};
std::atomic<bool> has_launcher{false};
std::array<struct sigaction, watched.size()> found;

// oneDNN's generated code uses the stack pointer for its own ends: a handler's frame on the stack
// in use would overwrite the heap there (seen with 2.6 as a crash in 1 of 14 stops during sgemm).
// The kernel gives a process' signals to its first thread, to which this stack belongs.
alignas(64) std::array<char, 128 * 1024> handler_stack;

extern "C" void hear(int signal) {
  int none = 0;
  asked.compare_exchange_strong(none, signal);
  if (signal != SIGINT || has_launcher || ++interrupts < 2) return;
  std::signal(SIGINT, SIG_DFL);
  std::raise(SIGINT);  // ends the program when this handler returns
}

bool is_ignored(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

bool started_by_a_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(name) != nullptr) return true;
  return false;
}

sigset_t stop_set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : watched) sigaddset(&set, signal);
  return set;
}

}  // namespace

void survive_file_limits() { std::signal(SIGXFSZ, SIG_IGN); }

void survive_closed_pipes() { std::signal(SIGPIPE, SIG_IGN); }

void hear_stop_signals() {
  asked = interrupts = 0;
  has_launcher = started_by_a_launcher();
  stack_t stack{};
  stack.ss_sp = handler_stack.data();
  stack.ss_size = handler_stack.size();
  sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = hear;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  action.sa_mask = stop_set();
  for (std::size_t i = 0; i < watched.size(); ++i) {
    sigaction(watched[i], nullptr, &found[i]);
    if (watched[i] != SIGHUP || !is_ignored(SIGHUP)) sigaction(watched[i], &action, nullptr);
  }
}

bool is_asked_to_stop() { return asked != 0; }

void ignore_stop_signals() {
  for (const int signal : watched) std::signal(signal, SIG_IGN);
}

void give_back_stop_signals() {
  for (std::size_t i = 0; i < watched.size(); ++i) sigaction(watched[i], &found[i], nullptr);
  if (const int heard = asked.exchange(0); heard != 0) std::raise(heard);
}

// ---- new processes

struct HeldStopSignals::State {
  sigset_t before;
};

HeldStopSignals::HeldStopSignals() : state_(std::make_unique<State>()) {
  const sigset_t set = stop_set();
  pthread_sigmask(SIG_BLOCK, &set, &state_->before);
}

HeldStopSignals::~HeldStopSignals() { pthread_sigmask(SIG_SETMASK, &state_->before, nullptr); }

void HeldStopSignals::release_in_child() const {
  for (const int signal : watched)
    if (!is_ignored(signal)) std::signal(signal, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &state_->before, nullptr);
}

// ---- tidying away

struct CleanUpOnStop::State {
  std::function<void()> clean_up;
  sigset_t before;
  FileDescriptor signals, wake_reader, wake_writer;
  std::thread thread;

  void watch() const {
    std::array<pollfd, 2> on = {pollfd{signals.number(), POLLIN, 0},
                                pollfd{wake_reader.number(), POLLIN, 0}};
    while (::poll(on.data(), on.size(), -1) < 0) {}
    signalfd_siginfo about{};
    if (on[1].revents != 0 || ::read(signals.number(), &about, sizeof about) != sizeof about)
      return;
    clean_up();
    const auto signal = static_cast<int>(about.ssi_signo);
    std::signal(signal, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    std::raise(signal);
  }
};

/// Blocks the signals here and in all threads that are started from now on; where no thread can be
/// started, they end the program without tidying.
CleanUpOnStop::CleanUpOnStop(std::function<void()> clean_up) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.clean_up = std::move(clean_up);
  sigset_t set = stop_set();
  for (const int signal : watched)
    if (is_ignored(signal)) sigdelset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, &state.before);
  state.signals = FileDescriptor(::signalfd(-1, &set, SFD_CLOEXEC));
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) == 0) {
    state.wake_reader = FileDescriptor(ends[0]);
    state.wake_writer = FileDescriptor(ends[1]);
  }
  try {
    if (state.signals.number() >= 0 && ends[0] >= 0)
      state.thread = std::thread([&state] { state.watch(); });
  } catch (const std::system_error&) {}
  if (!state.thread.joinable()) pthread_sigmask(SIG_SETMASK, &state.before, nullptr);
}

CleanUpOnStop::~CleanUpOnStop() {
  State& state = *state_;
  if (!state.thread.joinable()) return;
  state.wake_writer = FileDescriptor();  // the reader's end is told
  state.thread.join();
  pthread_sigmask(SIG_SETMASK, &state.before, nullptr);
}

}  // namespace dfascale
