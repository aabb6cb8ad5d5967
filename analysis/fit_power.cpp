// Ordinary least squares of a line, centred for accuracy (x is near 35, y near 1).
#include "analysis/fit_power.hpp"

namespace dfascale::fit {

std::string_view word(FitStatus status) {
  switch (status) {
    case FitStatus::ok: return "ok";
    case FitStatus::too_few_points: return "too_few_points";
    case FitStatus::no_scaling: return "no_scaling";
    case FitStatus::at_bound: return "at_bound";
    case FitStatus::at_bound_zero: return "at_bound_zero";
    case FitStatus::at_bound_max: return "at_bound_max";
    case FitStatus::skipped: return "skipped";
  }
  return "";
}

bool enough(std::span<const Point> points, const Needs& needs) {
  return static_cast<std::int64_t>(points.size()) >= needs.points &&
         points.back().x - points.front().x >= needs.span;
}

Curve fit_line(std::span<const Point> points) {
  const auto n = static_cast<double>(points.size());
  double mx = 0, my = 0, sxx = 0, sxy = 0;
  for (const Point& p : points) {
    mx += p.x / n;
    my += p.y / n;
  }
  for (const Point& p : points) {
    sxx += (p.x - mx) * (p.x - mx);
    sxy += (p.x - mx) * (p.y - my);
  }
  const double alpha = sxx > 0 ? sxy / sxx : 0;
  return {0, my - alpha * mx, alpha};
}

PowerFit fit_power(std::span<const Point> points, const Needs& needs) {
  PowerFit fit;
  fit.n = static_cast<std::int64_t>(points.size());
  if (!enough(points, needs)) return fit;
  fit.curve = fit_line(points);
  double mean = 0, residual = 0, total = 0;
  for (const Point& p : points) mean += p.y / static_cast<double>(fit.n);
  for (const Point& p : points) {
    residual += std::pow(p.y - fit.curve.log_loss(p.x), 2);
    total += std::pow(p.y - mean, 2);
  }
  fit.rmse = std::sqrt(residual / static_cast<double>(fit.n));
  fit.r2 = total > 0 ? 1 - residual / total : 0;
  fit.status = fit.curve.scales() ? FitStatus::ok : FitStatus::no_scaling;
  return fit;
}

}  // namespace dfascale::fit
