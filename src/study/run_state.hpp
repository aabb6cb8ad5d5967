// How far a run of a study is, read from its folder: nothing else is remembered, so that a study
// goes on after whatever end.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "study/study_run.hpp"

namespace dfascale {

enum class Progress {
  waiting,     ///< no record yet
  running,     ///< a process has claimed it
  unfinished,  ///< begun, not done, nobody at work: goes on from its checkpoint or from the start
  done,
  diverged,  ///< of no use any more
};
std::string_view word(Progress progress);

struct RunState {
  Progress progress = Progress::waiting;
  std::int64_t step = 0;
  double flops = 0, seconds = 0;   ///< spent, by the last row of metrics.csv
  std::optional<double> val_loss;  ///< of runs that are done
  std::string note;                ///< who runs it, or why it counts as diverged

  bool has_ended() const { return progress == Progress::done || progress == Progress::diverged; }
};

RunState state_of(const StudyRun& run);

/// Why a run is not worth going on with, in one line: its validation loss is not finite, or lies
/// above that of the untrained model by a twentieth after a tenth of the steps.
std::optional<std::string> divergence(const StudyRun& run);
/// Writes the reason into the run's folder, for good.
void mark_diverged(const StudyRun& run, const std::string& reason);

/// Where the lock of a run is.
std::string claim_path(const StudyRun& run);

/// Throws Error(Exit::checkpoint) naming every run whose folder holds a run with other settings.
void check_same_settings(const std::vector<const StudyRun*>& runs);

}  // namespace dfascale
