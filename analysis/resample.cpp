// The four kinds of resampling.
#include "analysis/resample.hpp"

#include <algorithm>
#include <cmath>

namespace dfascale::fit {

Resampler::Resampler(const Method& method, BootstrapKind kind) : method_(method), kind_(kind) {
  for (const BinnedRun& run : method.runs) {
    own_.push_back(run.y());
    const bool new_stratum =
        strata_.empty() ||
        (kind == BootstrapKind::seed && run.params != method.runs[strata_.back().front()].params);
    if (new_stratum) strata_.emplace_back();
    strata_.back().push_back(own_.size() - 1);
    Residuals r;
    for (std::size_t j = 0; run.is_curve() && j < run.bins.size(); ++j) {
      r.fitted.push_back(run.at_bins.value(j, own_.back()));
      r.left.push_back(own_.back()[j] - r.fitted.back());
    }
    double mean = 0, squares = 0;
    const auto n = static_cast<double>(r.left.size());
    for (const double left : r.left) mean += left / n;
    for (const double left : r.left) squares += (left - mean) * (left - mean);
    r.sd = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
    residuals_.push_back(std::move(r));
  }
}

std::vector<RunView> Resampler::draw(Stream& random,
                                     std::vector<std::vector<double>>& values) const {
  if (kind_ == BootstrapKind::seed || kind_ == BootstrapKind::pairs) return draw_runs(random);
  values.resize(own_.size());
  std::vector<RunView> views;
  for (std::size_t i = 0; i < own_.size(); ++i) {
    const BinnedRun& run = method_.runs[i];
    if (run.is_curve()) redraw(i, random, values[i]);
    views.push_back({&run, run.is_curve() ? values[i] : own_[i]});
  }
  return views;
}

std::vector<RunView> Resampler::draw_runs(Stream& random) const {
  std::vector<RunView> views;
  for (const std::vector<std::size_t>& stratum : strata_)
    for (std::size_t i = 0; i < stratum.size(); ++i) {
      const std::size_t drawn = stratum[random.below(stratum.size())];
      views.push_back({&method_.runs[drawn], own_[drawn]});
    }
  return views;
}

/// y* = fitted + residuals in circular blocks (or normal) + one normal for the whole run.
void Resampler::redraw(std::size_t i, Stream& random, std::vector<double>& y) const {
  const Residuals& r = residuals_[i];
  const std::size_t n = r.fitted.size();
  const auto length =
      static_cast<std::size_t>(std::max(1.0, std::round(std::cbrt(static_cast<double>(n)))));
  const double shift = method_.run_sd.value * random.normal();
  y.resize(n);
  std::size_t start = 0;
  for (std::size_t j = 0; j < n; ++j) {
    if (kind_ == BootstrapKind::parametric) {
      y[j] = r.fitted[j] + shift + r.sd * random.normal();
      continue;
    }
    if (j % length == 0) start = random.below(n);
    y[j] = r.fitted[j] + shift + r.left[(start + j % length) % n];
  }
}

}  // namespace dfascale::fit
