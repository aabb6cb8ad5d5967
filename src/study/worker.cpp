#include "study/worker.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "base/stop_signals.hpp"
#include "base/write_file.hpp"

namespace dfascale {
namespace {

/// In the child, between fork and exec: only what is safe there.  Returns if something fails.
void become_train(int core, int log, int kept, pid_t parent, const HeldStopSignals& held,
                  char* const* arguments) {
  ::setpgid(0, 0);  // a terminal's Ctrl-C goes to the study alone, which passes it on once
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a killed study leaves nobody behind
  held.release_in_child();
  if (::getppid() != parent) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  ::sched_setaffinity(0, sizeof one, &one);
  ::fcntl(kept, F_SETFD, 0);  // not closed by exec
  if (::dup2(log, STDOUT_FILENO) < 0 || ::dup2(log, STDERR_FILENO) < 0) return;
  ::execv("/proc/self/exe", arguments);
}

}  // namespace

std::vector<int> allowed_cores() {
  cpu_set_t set;
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

std::string describe(const Ending& ending) {
  if (ending.signal == 0) return fmt::format("exit code {}", ending.exit_code);
  return fmt::format("killed by signal {} ({})", ending.signal, ::strsignal(ending.signal));
}

void Worker::start(const std::string& deck, const std::string& log, int kept) {
  const FileDescriptor file = open_to_append(log);
  ::setenv("OMP_NUM_THREADS", "1", 1);
  std::string program = "dfascale", command = "train", argument = deck;
  char* arguments[] = {program.data(), command.data(), argument.data(), nullptr};
  const pid_t parent = ::getpid();
  const HeldStopSignals held;
  child_ = ::fork();
  if (child_ == 0) {
    become_train(core_, file.number(), kept, parent, held, arguments);
    std::_Exit(static_cast<int>(Exit::device));
  }
  if (child_ < 0) {
    child_ = 0;
    fail(Exit::device, "cannot start a process: {}", system_reason("fork"));
  }
}

std::optional<Ending> Worker::ended() {
  if (child_ <= 0) return std::nullopt;
  int status = 0;
  const pid_t found = ::waitpid(child_, &status, WNOHANG);
  if (found == 0 || (found < 0 && errno == EINTR)) return std::nullopt;
  child_ = 0;
  if (found < 0) return Ending{static_cast<int>(Exit::device), 0};
  if (WIFSIGNALED(status)) return Ending{0, WTERMSIG(status)};
  return Ending{WEXITSTATUS(status), 0};
}

void Worker::ask_to_stop() const {
  if (child_ > 0) ::kill(child_, SIGTERM);
}

}  // namespace dfascale
