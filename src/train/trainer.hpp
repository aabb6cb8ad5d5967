// The training loop: step, record, validate, probe, checkpoint, stop when asked.
#pragma once

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "comm/session.hpp"
#include "deck/settings.hpp"
#include "io/background_saver.hpp"
#include "io/checkpoint.hpp"
#include "train/alignment.hpp"
#include "train/corpus.hpp"
#include "train/parallel_learner.hpp"
#include "train/records.hpp"
#include "train/state.hpp"
#include "train/step_reports.hpp"
#include "train/stop_vote.hpp"
#include "train/time_budget.hpp"

namespace dfascale {

class Trainer {
 public:
  /// Opens data and run folder, checks what can be checked, measures the peak, allocates.  Settings
  /// are resolved (resolve_layout, resolve_vocabulary); `training` is theirs, and says what is
  /// computed again.
  Trainer(const Session& session, const Settings& settings, const Training& training);

  /// Trains from the newest checkpoint, or from the start, to the end of the token budget.
  /// Exit::done, or Exit::stopped after a signal (base/stop_signals.hpp); one that was heard before
  /// the first step leaves everything as it was.
  Exit train();

 private:
  Exit train_to_the_end();
  void resume();
  bool is_done_already() const;
  void check_may_begin() const;
  void start_records();
  bool is_any(bool on_this_rank) const;
  bool says_stop();
  void evaluate_last_step();
  void take_step();
  TokenSource tokens_of(std::int64_t step) const;
  bool validation_is_due() const;
  double validate();
  void record_steps(const std::vector<StepShare>& steps, double validation_of_last);
  void validate_and_record();
  void probe_if_due();
  CheckpointMeta checkpoint_meta();
  void save();
  void note_checkpoints(const std::vector<Saved>& saved);
  void wait_for_checkpoint();
  void in_step(std::int64_t step, const std::function<void()>& work);
  std::string whose_gradient(const std::string& of_the_sum);
  [[noreturn]] void fail_in_step(std::int64_t step, const std::string& reason) const;
  void write_trace() const;
  void say_where_time_went() const;

  const Comm& comm_;
  Settings settings_;
  Device device_;
  Gemm gemm_;
  Corpus corpus_;
  Records records_;
  CheckpointFolder checkpoints_;
  BackgroundSaver saver_;
  std::unique_ptr<ParallelLearner> model_;
  std::unique_ptr<AlignmentProbe> probe_;
  StepReports reports_;
  StopVote vote_;
  TimeBudget budget_;
  std::vector<std::int64_t> validation_steps_;
  std::int64_t step_ = 0;  ///< updates done on this rank
  Totals recorded_;        ///< what metrics.csv has; device-seconds on rank 0 only
  double flops_per_token_ = 0;
  Peak peak_;
  double best_validation_;
  std::int64_t saved_step_ = -1;      ///< of the newest checkpoint that is on disk
  std::int64_t begun_step_ = -1;      ///< of the newest that is or is being written
  std::int64_t saved_at_start_ = -1;  ///< of the checkpoint that this run began from
  bool stopping_ = false;
  struct Seconds {
    double start, steps = 0, validation = 0, probe = 0, checkpoints = 0;
  } seconds_;
};

}  // namespace dfascale
