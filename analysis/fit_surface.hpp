// Fit (iii): ln L(N, D) = ln(E + A / N^a + B / D^b) on all bins of all runs, sum of Huber losses of
// the residuals.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/fit_power.hpp"

namespace dfascale::fit {

/// One bin as the surface sees it.
struct SurfacePoint {
  double log_params;  ///< ln N
  double log_tokens;  ///< ln D
  double y;           ///< ln L
};

struct SurfaceLaw {
  double E = 0, log_A = 0, log_B = 0, a = 0, b = 0;

  double log_loss(double log_params, double log_tokens) const {
    return std::log(E + std::exp(log_A - a * log_params) + std::exp(log_B - b * log_tokens));
  }
};

struct SurfaceFit {
  FitStatus status = FitStatus::too_few_points;
  std::int64_t n = 0;
  SurfaceLaw law;
  double objective = 0;

  bool has_law() const { return status == FitStatus::ok || status == FitStatus::at_bound; }
};

/// From scratch: starts by variable projection on a grid of (a, b), the best ones polished.
SurfaceFit fit_surface(std::span<const SurfacePoint> points, double huber);

/// From a known law (bootstrap replicates).
SurfaceFit refit_surface(std::span<const SurfacePoint> points, double huber,
                         const SurfaceLaw& start);

/// Starts for the polish, best first: E, A, B >= 0 by non-negative least squares for each (a, b).
std::vector<SurfaceLaw> surface_starts(std::span<const SurfacePoint> points, std::size_t count);

/// Whether the points determine a surface: 3 sizes, 12 bins, a span of ln D of 1.
bool enough_for_surface(std::span<const SurfacePoint> points);

}  // namespace dfascale::fit
