// Bins, and the weights of the local line at grid centres and at the bins themselves.
#include "analysis/smooth.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace dfascale::fit {
namespace {

std::vector<Bin> make_bins(const Run& run, double width) {
  std::vector<Bin> bins;
  for (const Row& row : run.rows) {  // compute increases, so a bin's rows are neighbours
    const double x = std::log(row.compute);
    const auto k = static_cast<std::int64_t>(std::floor(x / width));
    if (bins.empty() || bins.back().k != k) bins.push_back({k, 0, 0, 0, 0});
    Bin& bin = bins.back();
    bin.x += x;
    bin.log_tokens += std::log(row.tokens);
    bin.y += row.loss;
    bin.count += 1;
  }
  for (Bin& bin : bins) {
    bin.x /= bin.count;
    bin.log_tokens /= bin.count;
    bin.y = std::log(bin.y / bin.count);
  }
  return bins;
}

/// Bins [first, first + weights.size()) and what each contributes to the value at one place.
struct Stencil {
  std::size_t first;
  std::vector<double> weights;
};

/// Tricube weights n (1 - |u|^3)^3, u = (x - g) / h, of the bins with |u| < 1.
Stencil tricube(const std::vector<Bin>& bins, double g, double h) {
  const auto near = std::upper_bound(bins.begin(), bins.end(), g - h,
                                     [](double x, const Bin& bin) { return x < bin.x; });
  Stencil stencil{static_cast<std::size_t>(near - bins.begin()), {}};
  for (std::size_t j = stencil.first; j < bins.size() && bins[j].x < g + h; ++j) {
    const double u = std::min(std::abs(bins[j].x - g) / h, 1.0);  // the sum above rounds
    const double t = 1 - u * u * u;
    stencil.weights.push_back(bins[j].count * t * t * t);
  }
  return stencil;
}

/// Turns the weights w of a weighted line into the weights of its value at g; nothing where the
/// line is not determined.
std::optional<Stencil> line_at(const std::vector<Bin>& bins, double g, double h) {
  Stencil s = tricube(bins, g, h);
  double total = 0, mean = 0, variance = 0;
  int positive = 0;
  for (std::size_t j = 0; j < s.weights.size(); ++j) {
    positive += s.weights[j] > 0;
    total += s.weights[j];
    mean += s.weights[j] * bins[s.first + j].x;
  }
  if (positive < 2) return std::nullopt;
  mean /= total;
  for (std::size_t j = 0; j < s.weights.size(); ++j)
    variance += s.weights[j] * std::pow(bins[s.first + j].x - mean, 2);
  if (!(variance / total > 1e-8)) return std::nullopt;
  for (std::size_t j = 0; j < s.weights.size(); ++j)
    s.weights[j] *= 1 / total + (g - mean) * (bins[s.first + j].x - mean) / variance;
  return s;
}

}  // namespace

void LinearMap::add(std::size_t first, std::span<const double> weights) {
  first_.push_back(first);
  weights_.insert(weights_.end(), weights.begin(), weights.end());
  offset_.push_back(weights_.size());
}

double LinearMap::value(std::size_t i, std::span<const double> y) const {
  const double* w = weights_.data() + offset_[i];
  const double* from = y.data() + first_[i];
  const std::size_t n = offset_[i + 1] - offset_[i];
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t j = 0; j < n; ++j) sum += w[j] * from[j];
  return sum;
}

std::vector<double> BinnedRun::y() const {
  std::vector<double> values;
  values.reserve(bins.size());
  for (const Bin& bin : bins) values.push_back(bin.y);
  return values;
}

BinnedRun bin_and_smooth(const Run& run, const SmoothingOptions& options) {
  BinnedRun out;
  out.name = run.name;
  out.params = run.params;
  out.bins = make_bins(run, options.bin);
  if (out.bins.size() < 3) return out;
  const double own = 1;
  std::size_t next = 0;  // first bin at or after k
  for (std::int64_t k = out.bins.front().k; k <= out.bins.back().k; ++k) {
    while (out.bins[next].k < k) ++next;
    const bool occupied = out.bins[next].k == k;
    const auto line = line_at(out.bins, grid_centre(k, options.bin), options.h);
    if (!line && !occupied) continue;
    out.grid.push_back(k);
    if (line) out.at_grid.add(line->first, line->weights);
    else out.at_grid.add(next, {&own, 1});
  }
  for (std::size_t j = 0; j < out.bins.size(); ++j) {
    const auto line = line_at(out.bins, out.bins[j].x, options.h);
    if (line) out.at_bins.add(line->first, line->weights);
    else out.at_bins.add(j, {&own, 1});
  }
  return out;
}

}  // namespace dfascale::fit
