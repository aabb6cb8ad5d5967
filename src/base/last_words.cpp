#include "base/last_words.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "base/error.hpp"

namespace dfascale {
namespace {

std::atomic<bool> is_foreseen{false};
std::atomic<void*> reserve{nullptr};
constexpr std::size_t reserved_bytes = std::size_t{1} << 20;
alignas(64) std::array<char, 64 * 1024> crash_stack;

constexpr std::string_view by_library = "a library ended the program";

/// Without an allocation, and safe in a signal handler.
[[noreturn]] void end(std::string_view what) {
  for (const std::string_view part :
       {std::string_view("dfascale: "), what,
        std::string_view("; most likely memory, threads or files are limited here: look at `ulimit "
                         "-a` and at the limits of the job, then give the program more or use "
                         "smaller sizes\n")})
    if (::write(STDERR_FILENO, part.data(), part.size()) < 0) break;
  std::_Exit(static_cast<int>(Exit::device));
}

extern "C" void tell_exit() {
  if (is_foreseen) return;
  std::fflush(stdout);
  end(by_library);
}

extern "C" void tell_crash(int signal) {
  end(signal == SIGABRT ? "a library gave up" : "a library failed where memory is limited");
}

[[noreturn]] void tell_exception() { end("an error came where none may pass"); }

bool is_limited(int resource) {
  struct rlimit limit {};
  return ::getrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0 &&
         limit.rlim_cur != RLIM_INFINITY;
}

/// On a stack of their own: memory for the stack may be what is lacking.
void hear_crashes() {
  stack_t stack{};
  stack.ss_sp = crash_stack.data();
  stack.ss_size = crash_stack.size();
  sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = tell_crash;
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    sigaction(signal, &action, nullptr);
}

}  // namespace

void tell_unforeseen_ends() {
  std::atexit(tell_exit);
  std::set_terminate(tell_exception);
  if (is_limited(RLIMIT_AS) || is_limited(RLIMIT_DATA)) hear_crashes();
  reserve = std::malloc(reserved_bytes);
}

void end_by_library(int exit_code) {
  if (is_foreseen || exit_code == 0) std::_Exit(exit_code);
  end(by_library);
}

void end_is_foreseen() { is_foreseen = true; }

void release_memory_for_last_words() { std::free(reserve.exchange(nullptr)); }

}  // namespace dfascale
