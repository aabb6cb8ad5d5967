// A run as a child process: this same program, `train DECK`, on a core of its own.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace dfascale {

/// Cores that this process may use, by number.
std::vector<int> allowed_cores();

/// How a child ended.
struct Ending {
  int exit_code = 0;
  int signal = 0;  ///< that killed it; 0: none
};
/// "exit code 5", "killed by signal 9 (Killed)"
std::string describe(const Ending& ending);

class Worker {
 public:
  explicit Worker(int core) : core_(core) {}
  /// Begins `dfascale train DECK`; what it prints is added to the log.  The child keeps the file
  /// `kept` open until its end.
  void start(const std::string& deck, const std::string& log, int kept);
  bool is_busy() const { return child_ > 0; }
  /// The ending of a child that has ended since the last call; does not wait.
  std::optional<Ending> ended();
  /// Asks the child to write a checkpoint and stop.
  void ask_to_stop() const;

 private:
  int core_;
  pid_t child_ = 0;
};

}  // namespace dfascale
