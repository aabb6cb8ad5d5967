// Fit (ii): L = E + (C / C_c)^alpha, least squares of ln L on the trimmed frontier.
#pragma once

#include "analysis/fit_power.hpp"

namespace dfascale::fit {

struct OffsetFit {
  FitStatus status = FitStatus::too_few_points;
  std::int64_t n = 0;
  Curve curve;
  double rmse = 0;

  bool has_curve() const { return status != FitStatus::too_few_points; }
};

OffsetFit fit_offset(std::span<const Point> points, const Needs& needs);

}  // namespace dfascale::fit
