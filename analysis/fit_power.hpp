// Fit (i): ln L = q + alpha ln C by least squares on the trimmed frontier.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/curve.hpp"
#include "analysis/frontier.hpp"

namespace dfascale::fit {

enum class FitStatus {
  ok,
  too_few_points,
  no_scaling,
  at_bound,
  at_bound_zero,
  at_bound_max,
  skipped
};
std::string_view word(FitStatus status);

struct PowerFit {
  FitStatus status = FitStatus::too_few_points;
  std::int64_t n = 0;
  Curve curve;  ///< E = 0
  double rmse = 0;
  double r2 = 0;

  bool has_curve() const { return status != FitStatus::too_few_points; }
};

/// What a fit on the frontier asks for: points, and span of ln C.
struct Needs {
  std::int64_t points;
  double span;
};
bool enough(std::span<const Point> points, const Needs& needs);

PowerFit fit_power(std::span<const Point> points, const Needs& needs);

/// The line through (x, y), whatever the number of points (two at least).
Curve fit_line(std::span<const Point> points);

}  // namespace dfascale::fit
