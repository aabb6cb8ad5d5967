#include "tools/in_child.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/log.hpp"

namespace dfascale {
namespace {

constexpr std::int64_t spare_memory = std::int64_t{2} << 30;
constexpr std::int64_t spare_seconds = 60, least_bytes_per_second = 2'000'000;

void limit(int resource, std::int64_t most) {
  struct rlimit now {};
  if (::getrlimit(resource, &now) != 0) return;
  const auto wanted = static_cast<rlim_t>(most);
  now.rlim_cur = now.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, now.rlim_max);
  ::setrlimit(resource, &now);
}

/// Address space in use; with a sanitizer that is most of what there is.
std::int64_t used_now() {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

void limit_this_process(std::int64_t bytes) {
  limit(RLIMIT_AS, used_now() + spare_memory + 6 * bytes);
  limit(RLIMIT_CPU, spare_seconds + bytes / least_bytes_per_second);
  limit(RLIMIT_CORE, 0);
}

int code_of(pid_t child, const std::string& what) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail(Exit::device, "cannot wait for a child process: {}", strerror(errno));
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int signal = WTERMSIG(status);
  if (signal == SIGINT || signal == SIGTERM) ::raise(signal);
  fail(Exit::checkpoint,
       "{}: reading it {}: the file was made to harm, or the machine fails; do not use it", what,
       signal == SIGXCPU || signal == SIGKILL
           ? std::string("took more time or memory than a file of its size may")
           : fmt::format("ended with signal {} ({}) inside a library", signal, strsignal(signal)));
}

}  // namespace

int in_child(const std::string& what, std::int64_t bytes, const std::function<int()>& work) {
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) fail(Exit::device, "cannot start a child process: {}", strerror(errno));
  if (child > 0) return code_of(child, what);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::raise(SIGTERM);  // the parent ended meanwhile
  limit_this_process(bytes);
  return work();
}

std::int64_t bytes_at(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    const auto bytes = fs::file_size(path, ignored);
    return ignored ? 0 : static_cast<std::int64_t>(bytes);
  }
  std::int64_t sum = 0;
  for (fs::recursive_directory_iterator it(path, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (it.depth() > 1) it.disable_recursion_pending();
    const auto bytes = it->is_regular_file(ignored) ? it->file_size(ignored) : 0;
    sum += ignored ? 0 : static_cast<std::int64_t>(bytes);
  }
  return sum;
}

}  // namespace dfascale
