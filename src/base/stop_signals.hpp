// Asking a program to stop: SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, and SIGXCPU, which a limit
// of processor time sends.  A run or a study then writes checkpoints and ends with exit code 75;
// a program that only has files to tidy away does that first (CleanUpOnStop).
#pragma once

#include <functional>
#include <memory>

namespace dfascale {

/// Writing beyond a limit of file sizes (ulimit -f) fails with EFBIG and does not kill.  To be
/// called first of all in main.
void survive_file_limits();
/// Writing to a closed pipe fails and does not kill: for commands that must not end half way
/// through their files because nobody reads what they print.
void survive_closed_pipes();

/// Hears stop signals from now on, until the end of the process.  A second SIGINT ends the program
/// at once, unless a launcher of several ranks sends it.  A SIGHUP that is ignored (nohup) stays
/// so.
void hear_stop_signals();
/// Whether this process was asked to stop since then.
bool is_asked_to_stop();
/// Ignores stop signals from now on: all that is left to do is done, and the exit code is certain.
void ignore_stop_signals();
/// Stop signals act as before hear_stop_signals; one that was heard meanwhile acts now.
void give_back_stop_signals();

/// Blocks stop signals while it lives, so that a new process begins without any.
class HeldStopSignals {
 public:
  HeldStopSignals();
  ~HeldStopSignals();
  HeldStopSignals(const HeldStopSignals&) = delete;
  HeldStopSignals& operator=(const HeldStopSignals&) = delete;

  /// For the new process, before it becomes another program: stop signals kill it, those that came
  /// meanwhile among them.  Calls only what is safe after a fork.
  void release_in_child() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// While it lives, a stop signal first has `clean_up` called, on a thread of its own, and then ends
/// the program as it would have without.
class CleanUpOnStop {
 public:
  explicit CleanUpOnStop(std::function<void()> clean_up);
  ~CleanUpOnStop();
  CleanUpOnStop(const CleanUpOnStop&) = delete;
  CleanUpOnStop& operator=(const CleanUpOnStop&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfascale
