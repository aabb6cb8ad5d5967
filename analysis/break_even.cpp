// Break-even multipliers of the fitted curves and of the frontiers themselves.
#include "analysis/break_even.hpp"

#include <algorithm>
#include <cmath>

namespace dfascale::fit {
namespace {

std::optional<double> exp_of(const std::optional<double>& log) {
  if (!log) return std::nullopt;
  return std::exp(*log);
}

/// ln M of one model at ln C.
std::optional<double> log_M(const Method& x, const Method& r, Model model, double log_C) {
  const auto curve_x = curve_of(x.fits.power, x.fits.offset, model);
  const auto curve_r = curve_of(r.fits.power, r.fits.offset, model);
  if (!curve_x || !curve_r) return std::nullopt;
  return log_break_even(*curve_x, *curve_r, log_C);
}

BreakEven at(const Candidate& x, const Candidate& r, Model model, double log_C) {
  BreakEven out;
  out.C = std::exp(log_C);
  out.M_power = exp_of(log_M(x.method, r.method, Model::power, log_C));
  out.M_offset = exp_of(log_M(x.method, r.method, Model::offset, log_C));
  out.M = model == Model::power ? out.M_power : out.M_offset;
  if (!out.M) out.note.push_back("unreachable");
  out.M_ci = break_even_interval(x.bootstrap, r.bootstrap, model, log_C);
  const auto loss = interpolate(r.method.fits.frontier.trimmed(), log_C);
  if (!loss) {
    out.note.push_back("reference_outside_data");
    return out;
  }
  const auto compute = interpolate_compute(x.method.fits.frontier.trimmed(), *loss);
  if (compute) out.M_empirical = std::exp(*compute - log_C);
  else out.note.push_back("beyond_data");
  return out;
}

}  // namespace

std::optional<double> log_break_even(const Curve& x, const Curve& reference, double log_C) {
  const auto log_C_x = x.log_compute_for(reference.log_loss(log_C));
  if (!log_C_x || !(std::abs(*log_C_x - log_C) <= largest_log)) return std::nullopt;
  return *log_C_x - log_C;
}

std::optional<Interval> break_even_interval(const Bootstrap& x, const Bootstrap& reference,
                                            Model model, double log_C) {
  std::vector<double> values;
  const std::size_t count = std::min(x.replicates.size(), reference.replicates.size());
  for (std::size_t i = 0; i < count; ++i) {
    const Replicate &rx = x.replicates[i], &rr = reference.replicates[i];
    const auto curve_x = curve_of(rx.power, rx.offset, model);
    const auto curve_r = curve_of(rr.power, rr.offset, model);
    if (!curve_x || !curve_r) continue;
    if (const auto log = log_break_even(*curve_x, *curve_r, log_C))
      values.push_back(std::exp(*log));
  }
  return interval(std::move(values));
}

std::vector<BreakEven> break_even(const Candidate& x, const Candidate& reference,
                                  const Comparison::Range& range, Model model) {
  std::vector<BreakEven> out;
  for (const double log_C : {range.low, (range.low + range.high) / 2, range.high})
    out.push_back(at(x, reference, model, log_C));
  return out;
}

}  // namespace dfascale::fit
