// One method's runs and everything fitted to them.
#pragma once

#include <string>
#include <vector>

#include "analysis/fit_offset.hpp"
#include "analysis/fit_surface.hpp"
#include "analysis/frontier.hpp"

namespace dfascale::fit {

/// Frontier and the laws fitted to it, of the data or of one bootstrap replicate.
struct FrontierFits {
  Frontier frontier;
  PowerFit power;
  OffsetFit offset;
};

/// sd of the run-to-run part of ln L, and where it comes from: seeds, surface, default.
struct RunSd {
  double value;
  std::string source;
};

/// Optimal size on the frontier: ln N = log10_coef ln 10 + exponent ln C.
struct FrontierSizes {
  double exponent;
  double log10_coef;
};

struct Method {
  Method() = default;
  Method(Method&&) = default;  // no copies: the frontier points at the runs
  Method& operator=(Method&&) = default;

  std::string name;
  std::vector<BinnedRun> runs;  ///< sorted by (N, name)
  std::int64_t rows = 0;        ///< after cleaning
  double factor = 0;            ///< exp(mean of ln C - ln N - ln D) over the rows
  FrontierFits fits;
  SurfaceFit surface;
  RunSd run_sd{0, "default"};

  std::int64_t bins() const;
  std::vector<double> sizes() const;  ///< distinct N, ascending
};

/// What the fits of a frontier need, from the options.
struct FitNeeds {
  FrontierOptions frontier;
  Needs power, offset;
};
FitNeeds needs_of(const Options& options);

/// Frontier and fits (i), (ii) of runs given by their bin values.
FrontierFits fit_frontier(std::span<const RunView> runs, const FitNeeds& needs);

/// All bins of runs given by their bin values, for fit (iii).
std::vector<SurfacePoint> surface_points(std::span<const RunView> runs);

/// Each run with its own bin values; `values` keeps them alive.
std::vector<RunView> own_views(const Method& method, std::vector<std::vector<double>>& values);

/// ln(owner N) against ln C on the trimmed frontier; nothing with a single owner.
std::optional<FrontierSizes> frontier_sizes(const Frontier& frontier);

/// Groups the runs by method (by name), bins, smooths and fits each.
std::vector<Method> fit_methods(const std::vector<Run>& runs, const Options& options,
                                Warnings& warnings);

}  // namespace dfascale::fit
