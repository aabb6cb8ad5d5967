// What a run leaves behind and shows while it goes: run folder, log, progress line.  Only rank 0
// has one that writes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "deck/settings.hpp"
#include "io/run_folder.hpp"
#include "train/alignment.hpp"
#include "train/peak.hpp"

namespace dfascale {

/// Cumulative, as metrics.csv has it.
struct Totals {
  std::int64_t step = 0, tokens = 0;
  double flops = 0, seconds = 0;
};

/// What a step reports.
struct StepReport {
  double loss, learning_rate, grad_norm, wall_seconds;
};

class Records {
 public:
  /// Opens the run folder where `writes`; elsewhere every call does nothing.
  enum class Role { writes, silent };
  Records(Role role, const Settings& settings);

  /// Description of the run: deck.toml and run.json.  No peak: no MFU.  Tables keep the rows up to
  /// `from_step`, where the run begins (-1: with nothing); what is cut is set aside.
  void begin(const Settings& settings, const ParameterTable& table, double flops_per_token,
             const Peak& peak, std::int64_t from_step);

  /// A row; validation is NaN where it was not taken.
  void step(const Totals& totals, const StepReport& report, double validation);
  void start_row(const Totals& totals, double validation);
  void alignment(std::int64_t step, const std::vector<Alignment>& found);

  /// The row of `step` is there, without a validation loss; before begin().
  bool lacks_validation(std::int64_t step) const {
    return folder_ && folder_->lacks_validation(step);
  }
  bool lacks_alignment(std::int64_t step) const {
    return folder_ && folder_->lacks_alignment(step);
  }
  /// Puts a validation loss into the last row, if that is of this step, and into run.json.
  void add_validation(std::int64_t step, double validation);
  /// Renames a file of the run folder that is about to be written anew.
  void set_aside(const std::string& name, std::int64_t step) const {
    if (folder_) folder_->set_aside(name, step);
  }

  /// "done" or "stopped".
  void finish(const std::string& outcome);
  /// Outcome "failed: REASON", if there is a begun record and the disk still takes it.
  void fail_with(const std::string& reason);
  const std::optional<std::string>& earlier_outcome() const { return earlier_outcome_; }
  std::string checkpoints_folder() const { return path_ + "/checkpoints"; }

 private:
  void show_progress(const Totals& totals, const StepReport& report);

  std::string path_;
  std::unique_ptr<RunFolder> folder_;
  std::optional<std::string> earlier_outcome_;
  RunRecord run_;
  std::int64_t steps_;
  double flops_per_token_ = 0, peak_ = 0;
  double last_validation_;
  std::int64_t first_shown_step_ = -1;
  double started_ = 0;
};

}  // namespace dfascale
