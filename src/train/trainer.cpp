#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "credit/flops.hpp"
#include "deck/deck.hpp"
#include "optim/rate.hpp"
#include "train/cadence.hpp"
#include "train/evaluate.hpp"
#include "train/resume.hpp"

namespace dfascale {
namespace {

constexpr double not_taken = std::numeric_limits<double>::quiet_NaN();

Tokens view(const std::vector<std::int32_t>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}

}  // namespace

Trainer::Trainer(const Session& session, const Settings& settings)
    : session_(session),
      comm_(session.comm()),
      settings_(settings),
      gemm_(device_),
      corpus_(open_corpus(settings)),
      records_(comm_.rank() == 0 ? Records::Role::writes : Records::Role::silent, settings),
      checkpoints_(records_.checkpoints_folder(), settings.run.keep,
                   settings.run.keep_every * settings.run.checkpoint_steps, WriterRanks::all()),
      validation_steps_(validation_steps(settings.steps(), settings.run.validate_points)),
      best_validation_(std::numeric_limits<double>::infinity()),
      seconds_{.start = seconds_now()} {
  const Shape shape = shape_of(settings.model);
  const std::int64_t sequences = settings.micro_batch_sequences();
  flops_per_token_ = flops_per_token(shape, settings.rule).total();
  // Before anything large is allocated, so that it adds nothing to the most memory used.
  if (settings.run.peak_seconds > 0)
    peak_ = measure_peak(device_, gemm_, shape, sequences, settings.run.peak_seconds);
  learner_ = make_in<Learner>(arena_, device_, gemm_, shape, settings.rule, settings.optim,
                              whole_model_layout(shape, sequences));
  if (settings.run.alignment_steps > 0 && comm_.rank() == 0)
    probe_ = std::make_unique<AlignmentProbe>(device_, gemm_, shape, sequences, *learner_);
  checkpoints_.check_writable(
      CheckpointFolder::file_bytes(StateSlices(*learner_, comm_.rank(), comm_.size()).slices()));
}

Exit Trainer::train() {
  try {
    return train_to_the_end();
  } catch (const Error& error) {
    records_.fail_with(error.what());
    throw;
  }
}

/// Records are touched only once nothing speaks against going on: a refused restart leaves them as
/// they are.
Exit Trainer::train_to_the_end() {
  resume();
  if (is_done_already()) {
    log::say("{}/{} is done: nothing to do", settings_.run.dir, settings_.run.name);
    return Exit::done;
  }
  records_.begin(settings_, learner_->table(), flops_per_token_, peak_, comm_.size());
  start_records();
  while (totals_.step < settings_.steps() && !stopping_) {
    take_step();
    records_.step(totals_, report_, validate_if_due());
    probe_if_due();
    stopping_ = stop_asked(signals_.raised() || is_out_of_time());
    if (stopping_ || due(settings_.run.checkpoint_steps, totals_.step)) save();
  }
  if (saved_step_ != totals_.step) save();
  say_where_time_went();
  const bool done = totals_.step == settings_.steps();
  records_.finish(done ? "done" : "stopped");
  return done ? Exit::done : Exit::stopped;
}

bool Trainer::is_done_already() const {
  const bool said_done = records_.earlier_outcome() == "done";
  return comm_.max(std::int64_t{said_done && saved_step_ == settings_.steps()}) > 0;
}

bool Trainer::is_out_of_time() const {
  return settings_.run.walltime > 0 && seconds_now() - seconds_.start > settings_.run.walltime;
}

/// The rows that stay, and the one before the first step.  A run that stopped after its last step
/// but before its records were complete is validated once more for them.
void Trainer::start_records() {
  records_.cut_after(saved_step_);
  if (saved_step_ < 0) records_.start_row(totals_, validate());
  else if (saved_step_ == settings_.steps()) records_.note_validation(validate());
}

/// Parameters, moments and position from a checkpoint, or the start of a new run.
void Trainer::resume() {
  learner_->draw_feedback(settings_.run.seed);
  learner_->reset_moments();
  const std::optional<std::string> file = find_checkpoint(settings_.run, checkpoints_);
  if (file) {
    const CheckpointFile checkpoint(*file, WriterRanks::all());
    check_continues(checkpoint.meta(), *file, settings_, corpus_.fingerprint(),
                    learner_->feedback().checksum());
    load_state(checkpoint, *learner_, Moments::load);
    const CheckpointMeta& meta = checkpoint.meta();
    totals_ = {meta.step, meta.tokens, meta.flops, meta.seconds};
    best_validation_ = meta.best_val_loss;
    saved_step_ = meta.step;
    checkpoints_.abandon_after(meta.step);
    log::say("restarting from {} at step {} of {}", *file, meta.step, settings_.steps());
    return;
  }
  learner_->initialise_parameters(settings_.run.seed, settings_.model.init_std);
}

/// This replica's micro-batches of the current step.
void Trainer::micro_batches(const std::function<void(Tokens, Tokens)>& work) {
  const std::int64_t M = settings_.parallel.micro_batches,
                     sequences = settings_.micro_batch_sequences();
  for (std::int64_t m = 0; m < M; ++m) {
    corpus_.train.fill(totals_.step, (comm_.rank() * M + m) * sequences, sequences, batch_);
    work(view(batch_.inputs), view(batch_.targets));
  }
}

void Trainer::take_step() {
  const double start = seconds_now();
  const auto step_tokens = static_cast<double>(settings_.step_tokens());
  GradientTaker& taker = learner_->taker();
  taker.begin();
  micro_batches([&](Tokens inputs, Tokens targets) {
    taker.learn(inputs, targets, static_cast<float>(1 / step_tokens));
  });
  comm_.all_reduce_sum(learner_->gradients().data, learner_->gradients().size);
  report_.loss = comm_.sum(taker.loss_sum()) / step_tokens;
  if (!std::isfinite(report_.loss)) explain_bad_loss(report_.loss);
  report_.learning_rate = learning_rate_at(settings_.optim, totals_.step, settings_.step_tokens());
  try {
    report_.grad_norm = learner_->update(totals_.step + 1, report_.learning_rate).global;
  } catch (const Error& error) {
    explain_bad_gradient(error.what());
  }
  fence(device_);
  report_.wall_seconds = seconds_now() - start;
  seconds_.steps += report_.wall_seconds;
  totals_.step += 1;
  totals_.tokens += settings_.step_tokens();
  totals_.flops += step_tokens * flops_per_token_;
  totals_.seconds += report_.wall_seconds * comm_.size();
}

double Trainer::validate_if_due() {
  const bool last = totals_.step == settings_.steps();
  if (!last &&
      !std::binary_search(validation_steps_.begin(), validation_steps_.end(), totals_.step))
    return not_taken;
  return validate();
}

double Trainer::validate() {
  const double start = seconds_now();
  const double loss = mean_loss(comm_, learner_->taker(), corpus_.valid, batch_);
  if (!std::isfinite(loss))
    fail_in_step(totals_.step, fmt::format("the validation loss is {} ({})", loss,
                                           first_of_ranks(learner_->taker().first_not_finite())));
  best_validation_ = std::min(best_validation_, loss);
  seconds_.validation += seconds_now() - start;
  return loss;
}

void Trainer::probe_if_due() {
  if (!probe_ || !due(settings_.run.alignment_steps, totals_.step)) return;
  const double start = seconds_now();
  corpus_.train.fill(0, 0, settings_.micro_batch_sequences(), batch_);
  records_.alignment(totals_.step, probe_->measure(view(batch_.inputs), view(batch_.targets)));
  seconds_.probe += seconds_now() - start;
}

void Trainer::save() {
  const double start = seconds_now();
  try {
    learner_->check_parameters();
  } catch (const Error& error) {
    fail_in_step(totals_.step, error.what());
  }
  CheckpointMeta meta;
  meta.step = totals_.step;
  meta.tokens = totals_.tokens;
  meta.next_sample = totals_.step * settings_.optim.batch_sequences;
  meta.flops = totals_.flops;
  meta.seconds = totals_.seconds;
  meta.seed = settings_.run.seed;
  meta.params = learner_->table().count();
  meta.feedback_checksum = learner_->feedback().checksum();
  meta.data_fingerprint = corpus_.fingerprint();
  meta.best_val_loss = best_validation_;
  meta.deck = show_deck(settings_);
  meta.revision = git_revision();
  meta.layout = fmt::format("dp {}", comm_.size());
  const StateSlices state(*learner_, comm_.rank(), comm_.size());
  const std::string path = checkpoints_.save(meta, state.slices());
  saved_step_ = totals_.step;
  seconds_.checkpoints += seconds_now() - start;
  const SaveTimes& times = checkpoints_.times();
  log::say("checkpoint {}: {:.1f} MB written in {:.2f} s, checked in {:.2f} s", path,
           static_cast<double>(times.bytes) / 1e6, times.write_seconds, times.check_seconds);
}

/// All ranks stop together, whichever was asked.
bool Trainer::stop_asked(bool on_this_rank) const {
  return comm_.max(std::int64_t{on_this_rank}) > 0;
}

/// Finds the first micro-batch and block whose output is not finite, at the parameters of this
/// step, and fails with it.
void Trainer::explain_bad_loss(double loss) {
  GradientTaker& taker = learner_->taker();
  std::string where;
  micro_batches([&](Tokens inputs, Tokens targets) {
    if (!where.empty()) return;
    taker.begin_evaluation();
    taker.evaluate(inputs, targets, settings_.micro_batch_sequences());
    where = taker.first_not_finite();
  });
  const std::string place = first_of_ranks(where);
  fail_in_step(totals_.step + 1,
               fmt::format("the training loss is {} ({})", loss,
                           place.empty() ? "no block's output is the cause" : place));
}

/// The same for a gradient: on this rank it is taken again, before the ranks' shares are summed.
void Trainer::explain_bad_gradient(const std::string& of_the_sum) {
  GradientTaker& taker = learner_->taker();
  taker.begin();
  micro_batches([&](Tokens inputs, Tokens targets) {
    taker.learn(inputs, targets, 1 / static_cast<float>(settings_.step_tokens()));
  });
  std::string here;
  try {
    learner_->check_gradients();
  } catch (const Error& error) {
    here = error.what();
  }
  const std::string share = first_of_ranks(here);
  fail_in_step(totals_.step + 1, share.empty() ? of_the_sum : share);
}

/// "rank 1, TEXT" of the first rank that has a text; empty if none has.
std::string Trainer::first_of_ranks(const std::string& text_here) const {
  const std::vector<std::string> texts = comm_.gather(text_here);
  std::string first;
  for (std::size_t rank = 0; rank < texts.size() && first.empty(); ++rank)
    if (!texts[rank].empty()) first = fmt::format("rank {}, {}", rank, texts[rank]);
  comm_.broadcast(first);
  return first;
}

void Trainer::fail_in_step(std::int64_t step, const std::string& reason) const {
  fail(Exit::numerical,
       "step {}: {}; lower optim.learning_rate or optim.clip_norm, then restart: {}", step, reason,
       saved_step_ < 0 ? "no checkpoint was written yet"
                       : fmt::format("the checkpoint of step {} is good", saved_step_));
}

void Trainer::say_where_time_went() const {
  const double total = seconds_now() - seconds_.start;
  const double rest =
      total - seconds_.steps - seconds_.validation - seconds_.probe - seconds_.checkpoints;
  log::say("step {}  tokens {}  FLOP {:.3e}  device-seconds {:.1f}", totals_.step, totals_.tokens,
           totals_.flops, totals_.seconds);
  log::say(
      "where the time went (rank 0, seconds): training {:.1f}, validation {:.1f}, alignment "
      "{:.1f}, checkpoints {:.1f}, "
      "start-up and records {:.1f}, total {:.1f}",
      seconds_.steps, seconds_.validation, seconds_.probe, seconds_.checkpoints, rest, total);
}

}  // namespace dfascale
