// Estimates of the run-to-run standard deviation tau of ln L.
#include "analysis/run_sd.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace dfascale::fit {
namespace {

/// Grid centres that every run has, ascending.
std::vector<std::int64_t> shared_grid(const std::vector<const BinnedRun*>& runs) {
  std::vector<std::int64_t> shared = runs.front()->grid, kept;
  for (const BinnedRun* run : runs) {
    kept.clear();
    std::set_intersection(shared.begin(), shared.end(), run->grid.begin(), run->grid.end(),
                          std::back_inserter(kept));
    shared.swap(kept);
  }
  return shared;
}

/// Mean smoothed ln L of a run over some of its grid centres.
double mean_over(const BinnedRun& run, const std::vector<std::int64_t>& grid) {
  const std::vector<double> y = run.y();
  double sum = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < run.grid.size() && next < grid.size(); ++i) {
    if (run.grid[i] != grid[next]) continue;
    sum += run.at_grid.value(i, y);
    ++next;
  }
  return sum / static_cast<double>(grid.size());
}

/// Pooled over sizes with two curve runs or more.
std::optional<double> sd_of_seeds(const Method& method) {
  std::map<double, std::vector<const BinnedRun*>> by_size;
  for (const BinnedRun& run : method.runs)
    if (run.is_curve()) by_size[run.params].push_back(&run);
  double squares = 0, freedom = 0;
  for (const auto& [size, runs] : by_size) {
    const auto grid = shared_grid(runs);
    if (runs.size() < 2 || grid.empty()) continue;
    const auto n = static_cast<double>(runs.size());
    std::vector<double> means;
    double centre = 0;
    for (const BinnedRun* run : runs) {
      means.push_back(mean_over(*run, grid));
      centre += means.back() / n;
    }
    for (const double mean : means) squares += (mean - centre) * (mean - centre);
    freedom += n - 1;
  }
  if (freedom == 0) return std::nullopt;
  return std::sqrt(squares / freedom);
}

/// Mean residual of each curve run from the surface; nothing with fewer than five runs.
std::optional<double> sd_from_surface(const Method& method) {
  double squares = 0;
  int runs = 0;
  for (const BinnedRun& run : method.runs) {
    if (!run.is_curve()) continue;
    double mean = 0;
    for (const Bin& bin : run.bins)
      mean += bin.y - method.surface.law.log_loss(std::log(run.params), bin.log_tokens);
    mean /= static_cast<double>(run.bins.size());
    squares += mean * mean;
    ++runs;
  }
  if (runs < 5) return std::nullopt;
  return std::sqrt(squares / (runs - 3));
}

}  // namespace

RunSd estimate_run_sd(const Method& method, double default_sd) {
  if (const auto sd = sd_of_seeds(method)) return {*sd, "seeds"};
  if (method.surface.has_law())
    if (const auto sd = sd_from_surface(method)) return {std::max(default_sd, *sd), "surface"};
  return {default_sd, "default"};
}

}  // namespace dfascale::fit
