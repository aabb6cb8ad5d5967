// Runs a study: hands runs to workers, watches them, reports.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "io/files.hpp"
#include "study/run_state.hpp"
#include "study/study.hpp"
#include "study/worker.hpp"
#include "train/signals.hpp"

namespace dfascale {

class StudyRunner {
 public:
  /// Takes the study's folder, and refuses one with other runs in it.
  explicit StudyRunner(const Study& study);

  /// Exit::done; Exit::stopped after a signal; else the code of the first run that failed.
  Exit run();

 private:
  struct Slot {
    Worker worker;
    std::int64_t run = -1;  ///< that it is busy with
  };
  struct Failure {
    std::string run, reason, log;
    Exit code;
  };

  void hand_out();
  void collect();
  void show_progress();
  void take_ending(std::int64_t run, const Ending& ending);
  Exit report() const;
  std::string log_of(const StudyRun& run) const;
  bool is_working() const;

  const Study& study_;
  FolderLock lock_;
  StopSignals signals_;
  std::vector<Slot> slots_;
  std::vector<RunState> states_;     ///< of study_.runs
  std::vector<std::int64_t> queue_;  ///< runs to start, next one first
  std::vector<Failure> failures_;
  bool stopping_ = false;
  double started_, flops_at_start_ = 0;
};

/// A table of all runs and how far they are.
std::string status_table(const Study& study);
/// A table of all runs and what they will cost.
std::string plan_table(const Study& study);

/// Runs at a time: as the study says, or one per core, and no more than there are runs.
std::int64_t workers_of(const Study& study);

}  // namespace dfascale
