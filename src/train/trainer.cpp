#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/stop_signals.hpp"
#include "base/version.hpp"
#include "credit/flops.hpp"
#include "deck/deck.hpp"
#include "optim/rate.hpp"
#include "train/cadence.hpp"
#include "train/checkpoint_contents.hpp"
#include "train/evaluate.hpp"
#include "train/resume.hpp"
#include "train/time_table.hpp"

namespace dfascale {
namespace {

constexpr double not_taken = std::numeric_limits<double>::quiet_NaN();

/// Stages of a pipeline may be in different steps: what all decide together takes effect a step
/// later.
std::size_t steps_to_decide(const Settings& settings) { return settings.parallel.pp > 1 ? 1 : 0; }

}  // namespace

Trainer::Trainer(const Session& session, const Settings& settings, const Training& training)
    : comm_(session.comm()),
      settings_(settings),
      device_(settings.run.graphs ? session.device() : without_graphs(session.device())),
      gemm_(device_),
      corpus_(open_corpus(settings, comm_)),
      records_(comm_.rank() == 0 ? Records::Role::writes : Records::Role::silent, settings),
      checkpoints_(records_.checkpoints_folder(), settings.run.keep,
                   settings.run.keep_every * settings.run.checkpoint_steps, WriterRanks::all(),
                   static_cast<int>(settings.run.compress)),
      saver_(checkpoints_),
      reports_(comm_),
      vote_(comm_, steps_to_decide(settings)),
      budget_(settings.run.walltime),
      validation_steps_(validation_steps(settings.steps(), settings.run.validate_points)),
      best_validation_(std::numeric_limits<double>::infinity()),
      seconds_{.start = seconds_now()} {
  flops_per_token_ = flops_per_token(training.shape, training.rule).total();
  warn_if_widened(training.optim.precision);
  // Before anything large is allocated, so that it adds nothing to the most memory used.
  if (settings.run.peak_seconds > 0)
    peak_ = measure_peak(device_, gemm_, training.shape, training.sequences,
                         training.optim.precision, settings.run.peak_seconds);
  model_ = std::make_unique<ParallelLearner>(comm_, device_, gemm_, training);
  model_->trace_steps(settings.run.trace);
  if (settings.run.alignment_steps > 0)
    probe_ = std::make_unique<AlignmentProbe>(comm_, device_, gemm_, training, *model_);
  const std::int64_t bytes = CheckpointFolder::file_bytes(StateSlices(*model_).slices());
  checkpoints_.check_writable(bytes);
  budget_.expect_checkpoint(bytes);
}

Exit Trainer::train() {
  try {
    return train_to_the_end();
  } catch (const std::exception& error) {
    records_.fail_with(error.what());
    throw;
  }
}

/// Records are touched only once nothing speaks against going on: a refused restart leaves them as
/// they are.  What a step is followed by takes time and memory of its own: where the run ends, the
/// checkpoint comes first, and a restart from it does what is missing.
Exit Trainer::train_to_the_end() {
  resume();
  if (is_done_already()) {
    log::say("{}/{} is done: nothing to do", settings_.run.dir, settings_.run.name);
    return Exit::done;
  }
  if (any_rank_is_asked_to_stop(comm_)) return stop_before_the_first_step();
  start_records();
  if (comm_.rank() == 0) keep_known_tokens(corpus_, settings_.run);
  while (step_ < settings_.steps() && !stopping_) {
    take_step();
    note_checkpoints(saver_.ended());
    stopping_ = says_stop();
    if (stopping_ || step_ == settings_.steps()) break;
    const bool is_validated = validation_is_due();
    if (is_validated) validate_and_record();
    else record_steps(reports_.complete(), not_taken);
    probe_if_due();
    if (is_validated) stopping_ = says_stop();
    if (!stopping_ && due(settings_.run.checkpoint_steps, step_)) save();
  }
  ignore_stop_signals();  // nothing is left that could be left out
  vote_.finish();
  if (begun_step_ != step_) save();
  note_checkpoints(saver_.wait());
  const bool done = step_ == settings_.steps();
  if (done && saved_at_start_ != step_) evaluate_last_step();
  write_trace();
  say_where_time_went();
  records_.finish(done ? "done" : "stopped");
  return done ? Exit::done : Exit::stopped;
}

bool Trainer::says_stop() {
  const bool stop = vote_.says_stop(is_asked_to_stop() || budget_.is_spent());
  if (stop) ignore_stop_signals();
  return stop;
}

/// After the last step's checkpoint, which is written once more with its own loss if that is the
/// best.
void Trainer::evaluate_last_step() {
  const double best_before = best_validation_;
  records_.add_validation(step_, validate());
  probe_if_due();
  if (best_validation_ < best_before) save();
  note_checkpoints(saver_.wait());
}

bool Trainer::is_done_already() const {
  const bool said_done = records_.earlier_outcome() == "done";
  return is_any(said_done && saved_step_ == settings_.steps());
}

/// Validates before the first step, or what an earlier run was ended before; then, since nothing
/// speaks against going on any more, sets aside what comes anew and opens the records.
void Trainer::start_records() {
  const bool is_new = saved_step_ < 0, is_last = saved_step_ == settings_.steps();
  const bool lacks_validation = is_any(records_.lacks_validation(saved_step_)),
             lacks_alignment = is_any(records_.lacks_alignment(saved_step_));
  const double best_before = best_validation_;
  const bool validates = is_new || is_last || (lacks_validation && validation_is_due());
  const double validation = validates ? validate() : not_taken;
  if (!is_new) checkpoints_.abandon_after(saved_step_);
  records_.begin(settings_, model_->learners().front()->table(), flops_per_token_, peak_,
                 saved_step_);
  if (is_new) records_.start_row(recorded_, validation);
  else if (validates) records_.add_validation(saved_step_, validation);
  const bool is_own = begun_step_ == saved_step_;  // else another run's checkpoint
  if (!is_new && is_own && lacks_alignment) probe_if_due();
  if (is_last && best_validation_ < best_before) save();
  saved_at_start_ = saved_step_;
}

bool Trainer::is_any(bool on_this_rank) const { return comm_.max(std::int64_t{on_this_rank}) > 0; }

/// Parameters, moments and position from a checkpoint, or the start of a new run.
void Trainer::resume() {
  model_->draw_feedback(settings_.run.seed);
  model_->reset_moments();
  const std::uint64_t feedback = model_->feedback_checksum(comm_);
  const std::optional<std::string> file = find_checkpoint(settings_.run, checkpoints_);
  // Everything that no file holds, padding among it.
  model_->initialise_parameters(settings_.run.seed, settings_.model.init_std);
  if (!file) return check_may_begin();
  const CheckpointFile checkpoint(*file, contents_of, WriterRanks::all());
  check_continues(checkpoint.meta(), *file, settings_, corpus_, feedback);
  for (Learner* learner : model_->learners()) load_state(checkpoint, *learner, Moments::load);
  const CheckpointMeta& meta = checkpoint.meta();
  recorded_ = {meta.step, meta.tokens, meta.flops, meta.seconds};
  best_validation_ = meta.best_val_loss;
  step_ = saved_step_ = meta.step;
  if (*file == checkpoints_.path_of(meta.step)) begun_step_ = meta.step;  // else another run's
  log::say("restarting from {} at step {} of {}", *file, meta.step, settings_.steps());
}

/// A run that has ended had a checkpoint.  Where it is gone, to begin anew would be to discard what
/// the records say.
void Trainer::check_may_begin() const {
  if (settings_.run.restart != Restart::automatic) return;
  const auto& outcome = records_.earlier_outcome();
  if (!is_any(outcome == "done" || outcome == "stopped")) return;
  fail(
      Exit::checkpoint,
      "{}: run.json says that this run has ended with a checkpoint, and there is none: nothing was "
      "changed; bring the checkpoints back, or begin anew under another run.name or with this "
      "folder moved away",
      records_.checkpoints_folder());
}

/// This replica's micro-batches of a step, counted from 0.
TokenSource Trainer::tokens_of(std::int64_t step) const {
  const std::int64_t M = settings_.parallel.micro_batches,
                     sequences = settings_.micro_batch_sequences(),
                     replica = model_->grid().replica;
  return [=, this](std::int64_t m, Batch& batch) {
    corpus_.train.fill(step, (replica * M + m) * sequences, sequences, batch);
    return sequences;
  };
}

void Trainer::take_step() {
  const double start = seconds_now();
  const double rate = learning_rate_at(settings_.optim, step_, settings_.step_tokens());
  in_step(step_ + 1, [&] { model_->step(step_ + 1, rate, tokens_of(step_)); });
  fence(device_);
  const double wall = seconds_now() - start;
  seconds_.steps += wall;
  step_ += 1;
  const double square = model_->grid().replica == 0 ? model_->gradient_square() : 0;
  reports_.post({model_->loss_sum(), square, wall});
}

bool Trainer::validation_is_due() const {
  return step_ == settings_.steps() ||
         std::binary_search(validation_steps_.begin(), validation_steps_.end(), step_);
}

/// Rows of steps whose reports have come; on rank 0 only.
void Trainer::record_steps(const std::vector<StepShare>& steps, double validation_of_last) {
  const auto step_tokens = static_cast<double>(settings_.step_tokens());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const StepReport report{
        .loss = steps[i].loss_sum / step_tokens,
        .learning_rate = learning_rate_at(settings_.optim, recorded_.step, settings_.step_tokens()),
        .grad_norm = std::sqrt(steps[i].gradient_square),
        .wall_seconds = steps[i].seconds / comm_.size()};
    recorded_.step += 1;
    recorded_.tokens += settings_.step_tokens();
    recorded_.flops += step_tokens * flops_per_token_;
    recorded_.seconds += steps[i].seconds;
    records_.step(recorded_, report, i + 1 == steps.size() ? validation_of_last : not_taken);
  }
}

void Trainer::validate_and_record() {
  const double validation = validate();
  record_steps(reports_.wait_for_all(), validation);
}

double Trainer::validate() {
  const double start = seconds_now();
  const ValidationShare share = validation_share(
      corpus_.valid, model_->grid().replica, model_->grid().dp, settings_.micro_batch_sequences());
  double sum = 0;
  in_step(step_, [&] { sum = comm_.sum(model_->evaluate(share.micro_batches, share.tokens)); });
  const double loss =
      sum / static_cast<double>(corpus_.valid.sequences() * settings_.model.context);
  best_validation_ = std::min(best_validation_, loss);
  seconds_.validation += seconds_now() - start;
  return loss;
}

void Trainer::probe_if_due() {
  if (!probe_ || !due(settings_.run.alignment_steps, step_)) return;
  const double start = seconds_now();
  // The first micro-batch of all, whatever the layout.
  const std::int64_t sequences = settings_.micro_batch_sequences();
  const auto tokens = [&](std::int64_t, Batch& batch) {
    corpus_.train.fill(0, 0, sequences, batch);
    return sequences;
  };
  records_.alignment(step_, probe_->measure(tokens));
  seconds_.probe += seconds_now() - start;
}

/// All that has been done; collective.
CheckpointMeta Trainer::checkpoint_meta() {
  comm_.broadcast(&recorded_, sizeof recorded_);
  CheckpointMeta meta;
  meta.step = recorded_.step;
  meta.tokens = recorded_.tokens;
  meta.next_sample = recorded_.step * settings_.optim.batch_sequences;
  meta.flops = recorded_.flops;
  meta.seconds = recorded_.seconds;
  meta.seed = settings_.run.seed;
  meta.params = model_->learners().front()->table().count();
  meta.feedback_checksum = model_->feedback_checksum(comm_);
  meta.data_fingerprint = corpus_.fingerprint;
  meta.more = fingerprint_covers_all;
  meta.best_val_loss = best_validation_;
  meta.deck = show_deck(settings_);
  meta.revision = git_revision();
  meta.layout = fmt::format("dp {}, pp {}, zero {}", settings_.parallel.dp, settings_.parallel.pp,
                            settings_.parallel.zero);
  return meta;
}

/// In the background, but for the last one: it is on disk before anything else is tried.
void Trainer::save() {
  const double start = seconds_now();
  in_step(step_, [&] { model_->check_parameters(); });
  record_steps(reports_.wait_for_all(), not_taken);
  const CheckpointMeta meta = checkpoint_meta();
  const StateSlices state(*model_);
  if (stopping_ || step_ == settings_.steps()) saver_.save_now(meta, state.slices());
  else saver_.save(meta, state.slices());
  begun_step_ = step_;
  seconds_.checkpoints += seconds_now() - start;
}

void Trainer::note_checkpoints(const std::vector<Saved>& saved) {
  for (const Saved& checkpoint : saved) {
    saved_step_ = checkpoint.step;
    budget_.note_checkpoint(checkpoint.total_seconds);
    log::say("checkpoint {}", describe(checkpoint));
  }
}

/// One that is being written is good if it ends well; if not, what made the run fail is told.
void Trainer::wait_for_checkpoint() {
  try {
    note_checkpoints(saver_.wait());
  } catch (const Error& error) {
    log::warn("{}", error.what());
  }
}

/// Numerical failures get the step and what to do.
void Trainer::in_step(std::int64_t step, const std::function<void()>& work) {
  try {
    work();
  } catch (const OtherRanksError&) {
    throw;  // has been through here
  } catch (const Error& error) {
    if (error.code() != Exit::numerical) throw;
    const std::string reason = whose_gradient(error.what());
    wait_for_checkpoint();
    fail_in_step(step, reason);
  }
}

/// A sum over replicas is not finite on all of them: on which was it not before?  The gradients are
/// taken again, each replica's by itself.  In a pipeline its other stages have gone on, and the sum
/// has to do.
std::string Trainer::whose_gradient(const std::string& of_the_sum) {
  if (!of_the_sum.starts_with("the gradient") || model_->grid().pp > 1) return of_the_sum;
  model_->take_own_gradients(tokens_of(step_));
  std::string here;
  try {
    Learner& learner = *model_->learners().front();
    learner.adamw().check_whole(device_, learner.gradients());
  } catch (const Error& error) {
    here = error.what();
  }
  const std::vector<std::string> texts = comm_.gather(here);
  std::string first = of_the_sum;
  for (std::size_t rank = texts.size(); rank-- > 0;)
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

void Trainer::write_trace() const {
  if (settings_.run.trace == 0) return;
  const std::string path = settings_.run.dir + "/" + settings_.run.name + "/trace.json";
  records_.set_aside("trace.json", saved_at_start_);
  model_->trace().write(comm_, path);
  log::say("trace of the first {} step(s): {}", settings_.run.trace, path);
}

void Trainer::say_where_time_went() const {
  const double total = seconds_now() - seconds_.start;
  log::say("step {}  tokens {}  FLOP {:.3e}  device-seconds {:.1f}", recorded_.step,
           recorded_.tokens, recorded_.flops, recorded_.seconds);
  say_times(comm_, *model_,
            {{"validation", seconds_.validation},
             {"alignment", seconds_.probe},
             {"checkpoints", seconds_.checkpoints}},
            seconds_.steps, total);
}

}  // namespace dfascale
