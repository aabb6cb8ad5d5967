#include "train/records.hpp"

#include <cmath>
#include <limits>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "deck/deck.hpp"

namespace dfascale {
namespace {

std::optional<double> if_taken(double value) {
  return std::isnan(value) ? std::nullopt : std::optional<double>(value);
}

Restarting restarting(const RunSettings& run) {
  return run.restart == Restart::never ? Restarting::never : Restarting::allowed;
}

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, std::round(seconds)));
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}m{:02}s", s / 60, s % 60);
}

}  // namespace

Records::Records(Role role, const Settings& settings)
    : path_(settings.run.dir + "/" + settings.run.name),
      steps_(settings.steps()),
      last_validation_(std::numeric_limits<double>::quiet_NaN()) {
  if (role == Role::silent) return;
  folder_ = std::make_unique<RunFolder>(path_, restarting(settings.run));
  earlier_outcome_ = folder_->earlier_outcome();
  log::also_to_file(folder_->log_file());
}

void Records::begin(const Settings& s, const ParameterTable& table, double flops_per_token,
                    const Peak& peak, std::int64_t from_step) {
  flops_per_token_ = flops_per_token;
  peak_ = peak.best() * static_cast<double>(s.parallel.dp * s.parallel.pp);
  started_ = seconds_now();
  if (!folder_) return;
  run_.run = s.run.name;
  run_.method = s.run.method;
  run_.params = table.count();
  run_.params_without_embeddings = table.count_without_embeddings();
  run_.trained_params = table.count_trained();
  run_.warmup_tokens = s.optim.warmup_tokens;
  run_.flops_per_token = flops_per_token;
  run_.seed = s.run.seed;
  run_.dp = s.parallel.dp;
  run_.pp = s.parallel.pp;
  run_.zero = s.parallel.zero;
  run_.schedule = s.parallel.schedule;
  run_.micro_batches = s.parallel.micro_batches;
  run_.machine = machine_facts();
  if (peak_ > 0)
    run_.peak_flops = {
        {"per_rank", peak.best()}, {"square_gemm", peak.square}, {"step_shapes", peak.shapes}};
  run_.started = utc_now();
  run_.outcome = "running";
  folder_->begin_after(from_step);
  folder_->write_deck(show_deck(s));
  folder_->write_run(run_);
}

void Records::add_validation(std::int64_t step, double validation) {
  last_validation_ = validation;
  if (folder_) folder_->add_validation(step, validation);
}

void Records::start_row(const Totals& totals, double validation) {
  last_validation_ = validation;
  if (!folder_) return;
  MetricsRow row;
  row.step = totals.step;
  row.tokens = totals.tokens;
  row.flops = totals.flops;
  row.seconds = totals.seconds;
  row.val_loss = if_taken(validation);
  folder_->append(row);
}

void Records::step(const Totals& totals, const StepReport& report, double validation) {
  if (!std::isnan(validation)) last_validation_ = validation;
  if (!folder_) return;
  const double step_tokens = static_cast<double>(totals.tokens) / static_cast<double>(totals.step);
  MetricsRow row;
  row.step = totals.step;
  row.tokens = totals.tokens;
  row.train_loss = report.loss;
  row.val_loss = if_taken(validation);
  row.lr = report.learning_rate;
  row.grad_norm = report.grad_norm;
  row.flops = totals.flops;
  row.seconds = totals.seconds;
  row.step_seconds = report.wall_seconds;
  row.tokens_per_second = step_tokens / report.wall_seconds;
  if (peak_ > 0) row.mfu = step_tokens * flops_per_token_ / report.wall_seconds / peak_;
  folder_->append(row);
  show_progress(totals, report);
}

void Records::show_progress(const Totals& totals, const StepReport& report) {
  if (first_shown_step_ < 0) first_shown_step_ = totals.step - 1;
  const double done = static_cast<double>(totals.step - first_shown_step_);
  const double per_step = (seconds_now() - started_) / done;
  const double tokens = static_cast<double>(totals.tokens) / static_cast<double>(totals.step);
  const double rate = tokens / report.wall_seconds;
  const std::string mfu =
      peak_ > 0 ? fmt::format("{:.1f} %", 100 * rate * flops_per_token_ / peak_) : "n/a";
  const std::string val =
      std::isnan(last_validation_) ? "n/a" : fmt::format("{:.4f}", last_validation_);
  log::progress(
      fmt::format("step {}/{}  loss {:.4f}  val {}  lr {:.2e}  |g| {:.3f}  {:.0f} tokens/s  "
                  "MFU {}  ETA {}",
                  totals.step, steps_, report.loss, val, report.learning_rate, report.grad_norm,
                  rate, mfu, duration(per_step * static_cast<double>(steps_ - totals.step))));
}

void Records::alignment(std::int64_t step, const std::vector<Alignment>& found) {
  if (!folder_) return;
  for (const Alignment& a : found)
    folder_->append_alignment({step, a.tensor, a.cosine, a.norm_rule, a.norm_bp});
}

void Records::finish(const std::string& outcome) {
  if (!folder_) return;
  run_.outcome = outcome;
  run_.finished = utc_now();
  if (!std::isnan(last_validation_)) run_.results = {{"val_loss", last_validation_}};
  folder_->write_run(run_);
}

void Records::fail_with(const std::string& reason) {
  if (!folder_ || run_.outcome.empty()) return;
  try {
    finish("failed: " + reason);
  } catch (const Error& error) {
    log::warn("the outcome is not in run.json: {}", error.what());
  }
}

}  // namespace dfascale
