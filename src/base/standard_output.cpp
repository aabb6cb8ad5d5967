#include "base/standard_output.hpp"

#include <fcntl.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace dfascale {

void open_standard_streams() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    // Opened the wrong way round, so that printing still fails: it is not silently lost.
    ::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

int end_output(int code, int code_of_failure) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  // The library keeps no reason of a write that failed earlier: another try has the same one.
  if (errno == 0 && ::write(STDOUT_FILENO, "\n", 1) == 1) errno = 0;
  const int reason = errno;
  ::__fpurge(stdout);   // or the end of the program would try once more
  if (reason != EPIPE)  // who reads no more knows it
    std::fprintf(stderr, "standard output cannot be written%s%s: what was printed is incomplete\n",
                 reason ? ": " : "", reason ? std::strerror(reason) : "");
  return code == 0 ? code_of_failure : code;
}

void give_up_output(const char* where_it_is) {
  const int reason = errno;
  ::__fpurge(stdout);
  std::clearerr(stdout);
  static bool is_said = false;
  if (!is_said)
    std::fprintf(
        stderr,
        "warning: standard output cannot be written: %s; from now on only %s has the lines\n",
        std::strerror(reason), where_it_is);
  is_said = true;
}

}  // namespace dfascale
