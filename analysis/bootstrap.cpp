// Replicates in parallel, each with its own random stream, and intervals from them.
#include "analysis/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/parallel.hpp"
#include "analysis/resample.hpp"

namespace dfascale::fit {

BootstrapKind resolve_kind(const Method& method, BootstrapKind asked) {
  if (asked != BootstrapKind::automatic) return asked;
  std::map<double, int> runs_of_size;
  bool curves = false;
  for (const BinnedRun& run : method.runs) {
    ++runs_of_size[run.params];
    curves = curves || run.is_curve();
  }
  if (!curves) return BootstrapKind::pairs;
  const bool seeds = std::all_of(runs_of_size.begin(), runs_of_size.end(),
                                 [](const auto& size) { return size.second >= 3; });
  return seeds ? BootstrapKind::seed : BootstrapKind::block;
}

Bootstrap bootstrap(const Method& method, const Options& options) {
  Bootstrap result;
  result.kind = resolve_kind(method, options.bootstrap_kind);
  result.replicates.resize(static_cast<std::size_t>(options.bootstrap));
  const Resampler resampler(method, result.kind);
  const FitNeeds needs = needs_of(options);
  parallel_for(options.bootstrap, options.threads, [&](std::int64_t i) {
    Stream random(options.seed, method.name, static_cast<std::uint64_t>(i));
    std::vector<std::vector<double>> values;
    const std::vector<RunView> runs = resampler.draw(random, values);
    const FrontierFits fits = fit_frontier(runs, needs);
    Replicate& replicate = result.replicates[static_cast<std::size_t>(i)];
    replicate.power = fits.power;
    replicate.offset = fits.offset;
    if (method.surface.has_law())
      replicate.surface = refit_surface(surface_points(runs), options.huber, method.surface.law);
  });
  return result;
}

double quantile(const std::vector<double>& ascending, double share) {
  const double place = share * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  const double part = place - static_cast<double>(below);
  return ascending[below] + part * (ascending[above] - ascending[below]);
}

std::optional<Interval> interval(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.size() < 20) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Interval{quantile(values, 0.025), quantile(values, 0.975)};
}

}  // namespace dfascale::fit
