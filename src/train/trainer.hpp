// The training loop: step, record, validate, probe, checkpoint, stop when asked.
#pragma once

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "comm/session.hpp"
#include "deck/settings.hpp"
#include "io/checkpoint.hpp"
#include "train/alignment.hpp"
#include "train/corpus.hpp"
#include "train/learner.hpp"
#include "train/records.hpp"
#include "train/signals.hpp"
#include "train/state.hpp"

namespace dfascale {

class Trainer {
 public:
  /// Opens data and run folder, checks what can be checked, measures the peak, allocates.  Settings
  /// are resolved (resolve_layout, resolve_vocabulary).
  Trainer(const Session& session, const Settings& settings);

  /// Trains from the newest checkpoint, or from the start, to the end of the token budget.
  /// Exit::done, or Exit::stopped after a signal.
  Exit train();

 private:
  Exit train_to_the_end();
  void resume();
  bool is_done_already() const;
  bool is_out_of_time() const;
  void start_records();
  void take_step();
  void micro_batches(const std::function<void(Tokens inputs, Tokens targets)>& work);
  /// Mean validation loss in nats if due after this step, else NaN.
  double validate_if_due();
  double validate();
  void probe_if_due();
  void save();
  bool stop_asked(bool on_this_rank) const;
  [[noreturn]] void explain_bad_loss(double loss);
  [[noreturn]] void explain_bad_gradient(const std::string& of_the_sum);
  [[noreturn]] void fail_in_step(std::int64_t step, const std::string& reason) const;
  std::string first_of_ranks(const std::string& text_here) const;
  void say_where_time_went() const;

  const Session& session_;
  const Comm& comm_;
  Settings settings_;
  Device device_;
  Gemm gemm_;
  StopSignals signals_;
  Corpus corpus_;
  Records records_;
  CheckpointFolder checkpoints_;
  Arena arena_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<AlignmentProbe> probe_;
  Batch batch_;
  std::vector<std::int64_t> validation_steps_;
  Totals totals_;
  StepReport report_{};
  double flops_per_token_ = 0;
  Peak peak_;
  double best_validation_;
  std::int64_t saved_step_ = -1;
  bool stopping_ = false;
  struct Seconds {
    double start, steps = 0, validation = 0, probe = 0, checkpoints = 0;
  } seconds_;
};

}  // namespace dfascale
