// How far a run of a study is, read from its folder: nothing else is remembered, so that a study
// goes on after whatever end.
#pragma once

#include <optional>
#include <string>

#include "study/study.hpp"

namespace dfascale {

enum class Progress {
  waiting,     ///< no record yet
  running,     ///< a process holds its folder
  unfinished,  ///< begun, not done, nobody at work: goes on from its checkpoint or from the start
  done,
};
std::string_view word(Progress progress);

struct RunState {
  Progress progress = Progress::waiting;
  std::int64_t step = 0;
  double flops = 0;                ///< spent, by the last row of metrics.csv
  std::optional<double> val_loss;  ///< of runs that are done
};

RunState state_of(const StudyRun& run);

/// Throws Error(Exit::checkpoint) naming every run whose folder holds a run with other settings.
void check_same_settings(const Study& study);

}  // namespace dfascale
