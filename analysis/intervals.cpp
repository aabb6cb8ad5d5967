#include "analysis/intervals.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace dfascale::fit {
namespace {

/// A number of a method's fits, of the estimate or of a replicate; NaN where there is none.
using Number = std::function<double(const PowerFit&, const OffsetFit&, const SurfaceFit&)>;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// Beyond rounding.
bool is_outside(double value, const Interval& interval) {
  const double slack = 1e-9 * std::max(std::abs(interval.low), std::abs(interval.high));
  return value < interval.low - slack || value > interval.high + slack;
}

/// What fit.json gives intervals of; A and B by their logarithms.
std::vector<Number> numbers(double unit) {
  std::vector<Number> all;
  const auto power = [&](auto value) {
    all.emplace_back([value](const PowerFit& fit, const OffsetFit&, const SurfaceFit&) {
      return fit.has_curve() ? value(fit.curve) : none;
    });
  };
  const auto offset = [&](double Curve::*member) {
    all.emplace_back([member](const PowerFit&, const OffsetFit& fit, const SurfaceFit&) {
      return fit.has_curve() ? fit.curve.*member : none;
    });
  };
  const auto surface = [&](double SurfaceLaw::*member) {
    all.emplace_back([member](const PowerFit&, const OffsetFit&, const SurfaceFit& fit) {
      return fit.has_law() ? fit.law.*member : none;
    });
  };
  power([](const Curve& curve) { return curve.alpha; });
  power([unit](const Curve& curve) { return log10_C_c(curve, unit).value_or(none); });
  for (const auto member : {&Curve::E, &Curve::alpha}) offset(member);
  for (const auto member :
       {&SurfaceLaw::E, &SurfaceLaw::log_A, &SurfaceLaw::log_B, &SurfaceLaw::a, &SurfaceLaw::b})
    surface(member);
  return all;
}

}  // namespace

std::int64_t intervals_without_estimate(const Results& results, const Method& method) {
  const std::vector<Number> all = numbers(results.compute_unit());
  return std::count_if(all.begin(), all.end(), [&](const Number& number) {
    const double estimate = number(method.fits.power, method.fits.offset, method.surface);
    const auto interval = interval_of(results.bootstrap_of(method), [&](const Replicate& r) {
      return number(r.power, r.offset, r.surface);
    });
    return interval && std::isfinite(estimate) && is_outside(estimate, *interval);
  });
}

std::int64_t intervals_without_estimate(const Comparison& comparison) {
  const auto& all = comparison.break_even;
  return std::count_if(all.begin(), all.end(), [](const BreakEven& b) {
    return b.M && b.M_ci && is_outside(*b.M, *b.M_ci);
  });
}

}  // namespace dfascale::fit
