// From cleaned runs to fitted methods.
#include "analysis/method.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "analysis/run_sd.hpp"

namespace dfascale::fit {
namespace {

/// exp of the mean of ln(C / (N D)): FLOP (or seconds) per parameter and token.
double mean_factor(const std::vector<const Run*>& runs, std::int64_t rows) {
  double sum = 0;
  for (const Run* run : runs)
    for (const Row& row : run->rows)
      sum += std::log(row.compute) - std::log(run->params) - std::log(row.tokens);
  return std::exp(sum / static_cast<double>(rows));
}

Method fit_method(const std::string& name, std::vector<const Run*> runs, const Options& options,
                  Warnings& warnings) {
  std::sort(runs.begin(), runs.end(), [](const Run* a, const Run* b) {
    return std::tie(a->params, a->name) < std::tie(b->params, b->name);
  });
  Method method;
  method.name = name;
  for (const Run* run : runs) {
    method.runs.push_back(bin_and_smooth(*run, {options.bin, options.h}));
    method.rows += static_cast<std::int64_t>(run->rows.size());
  }
  method.factor = mean_factor(runs, method.rows);
  std::vector<std::vector<double>> values;
  const std::vector<RunView> views = own_views(method, values);
  method.fits = fit_frontier(views, needs_of(options));
  if (!method.fits.power.has_curve()) warnings.push_back({"too_few_points", name, "", {}});
  method.surface.status = FitStatus::skipped;
  if (options.surface == Surface::fitted)
    method.surface = fit_surface(surface_points(views), options.huber);
  method.run_sd = estimate_run_sd(method, options.run_sd);
  return method;
}

}  // namespace

std::int64_t Method::bins() const {
  std::int64_t sum = 0;
  for (const BinnedRun& run : runs) sum += static_cast<std::int64_t>(run.bins.size());
  return sum;
}

std::vector<double> Method::sizes() const {
  std::set<double> sizes;
  for (const BinnedRun& run : runs) sizes.insert(run.params);
  return {sizes.begin(), sizes.end()};
}

FitNeeds needs_of(const Options& options) {
  return {{options.bin, options.edge_keep},
          {options.min_points, options.min_span},
          {8, options.min_span_offset}};
}

FrontierFits fit_frontier(std::span<const RunView> runs, const FitNeeds& needs) {
  FrontierFits fits;
  fits.frontier = find_frontier(runs, needs.frontier);
  const std::vector<Point> points = fit_points(fits.frontier);
  fits.power = fit_power(points, needs.power);
  fits.offset = fit_offset(points, needs.offset);
  return fits;
}

std::vector<SurfacePoint> surface_points(std::span<const RunView> runs) {
  std::vector<SurfacePoint> points;
  for (const auto& [run, y] : runs)
    for (std::size_t j = 0; j < y.size(); ++j)
      points.push_back({std::log(run->params), run->bins[j].log_tokens, y[j]});
  return points;
}

std::vector<RunView> own_views(const Method& method, std::vector<std::vector<double>>& values) {
  values.clear();
  for (const BinnedRun& run : method.runs) values.push_back(run.y());
  std::vector<RunView> views;
  for (std::size_t i = 0; i < values.size(); ++i) views.push_back({&method.runs[i], values[i]});
  return views;
}

std::optional<FrontierSizes> frontier_sizes(const Frontier& frontier) {
  std::set<double> owners;
  std::vector<Point> points;
  for (const FrontierPoint& p : frontier.trimmed()) {
    owners.insert(p.owner->params);
    points.push_back({p.x, std::log(p.owner->params)});
  }
  if (owners.size() < 2) return std::nullopt;
  const Curve line = fit_line(points);
  return FrontierSizes{line.alpha, line.p / std::log(10.0)};
}

std::vector<Method> fit_methods(const std::vector<Run>& runs, const Options& options,
                                Warnings& warnings) {
  std::map<std::string, std::vector<const Run*>> by_name;
  for (const Run& run : runs) by_name[run.method].push_back(&run);
  std::vector<Method> methods;
  methods.reserve(by_name.size());
  for (const auto& [name, members] : by_name)
    methods.push_back(fit_method(name, members, options, warnings));
  return methods;
}

}  // namespace dfascale::fit
