// The profile over E is one-dimensional and may have several minima: a grid first, then golden
// section. For a given E the two other parameters have a well-behaved problem, solved by
// Levenberg-Marquardt.
#include "analysis/fit_offset.hpp"

#include <algorithm>
#include <limits>

namespace dfascale::fit {
namespace {

constexpr int grid_values = 101;
constexpr double near_bound = 1e-6;  ///< share of the bound that counts as being at it

/// The profile S(E) with its minimising (p, alpha); x is centred on its mean.
class Profile {
 public:
  explicit Profile(std::span<const Point> points) : points_(points.begin(), points.end()) {
    for (const Point& p : points_) centre_ += p.x / static_cast<double>(points_.size());
    double least = std::numeric_limits<double>::infinity();
    for (Point& p : points_) {
      p.x -= centre_;
      least = std::min(least, p.y);
    }
    bound_ = 0.999 * std::exp(least);
    trial_.reserve(points_.size());
  }

  double bound() const { return bound_; }

  /// S at this E; the curve is left in `best`, in the caller's x.
  double at(double E, Curve& best) {
    Curve curve = start(E);
    double sum = sum_of_squares(curve);
    double damping = 1e-6;
    for (int i = 0; i < 100 && E > 0; ++i) {
      const Step step = newton_step(curve, damping);
      const Curve next{E, curve.p + step.p, curve.alpha + step.alpha};
      const double there = sum_of_squares(next);
      if (!(there < sum)) {
        if (there - sum <= 1e-14 * sum) break;
        damping *= 10;
        if (damping > 1e6) break;
        continue;
      }
      const bool settled = sum - there <= 1e-14 * sum;
      curve = next;
      sum = there;
      damping = std::max(damping / 10, 1e-12);
      if (settled) break;
    }
    best = {E, curve.p - curve.alpha * centre_, curve.alpha};
    return sum;
  }

 private:
  struct Step {
    double p, alpha;
  };

  /// The line through ln(L - E); exact for E = 0.
  Curve start(double E) {
    trial_.clear();
    for (const Point& p : points_)
      trial_.push_back({p.x, E > 0 ? std::log(std::exp(p.y) - E) : p.y});
    Curve line = fit_line(trial_);
    line.E = E;
    return line;
  }

  double sum_of_squares(const Curve& curve) const {
    double sum = 0;
    for (const Point& p : points_) {
      const double r = p.y - curve.log_loss(p.x);
      sum += r * r;
    }
    return sum;
  }

  /// Gauss-Newton step with damped diagonal; d ln L / dp = (L - E) / L.
  Step newton_step(const Curve& curve, double damping) const {
    double spp = 0, spa = 0, saa = 0, gp = 0, ga = 0;
    for (const Point& point : points_) {
      const double power = std::exp(curve.p + curve.alpha * point.x);
      const double loss = curve.E + power, j = power / loss;
      const double r = point.y - std::log(loss);
      spp += j * j;
      spa += j * j * point.x;
      saa += j * j * point.x * point.x;
      gp += j * r;
      ga += j * point.x * r;
    }
    spp *= 1 + damping;
    saa *= 1 + damping;
    const double determinant = spp * saa - spa * spa;
    if (!(determinant > 0)) return {0, 0};
    return {(saa * gp - spa * ga) / determinant, (spp * ga - spa * gp) / determinant};
  }

  std::vector<Point> points_, trial_;
  double centre_ = 0, bound_ = 0;
};

/// Golden section of the profile on [low, high]; returns the best value seen.
double golden(Profile& profile, double low, double high, double& best_sum, Curve& best) {
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  double best_E = best.E;
  const auto sum_at = [&](double E) {
    Curve curve;
    const double sum = profile.at(E, curve);
    if (sum < best_sum) {
      best_sum = sum;
      best = curve;
      best_E = E;
    }
    return sum;
  };
  double a = high - ratio * (high - low), b = low + ratio * (high - low);
  double at_a = sum_at(a), at_b = sum_at(b);
  while (high - low > 1e-8 * profile.bound()) {
    if (at_a <= at_b) {
      high = b;
      b = a;
      at_b = at_a;
      at_a = sum_at(a = high - ratio * (high - low));
    } else {
      low = a;
      a = b;
      at_a = at_b;
      at_b = sum_at(b = low + ratio * (high - low));
    }
  }
  return best_E;
}

}  // namespace

OffsetFit fit_offset(std::span<const Point> points, const Needs& needs) {
  OffsetFit fit;
  fit.n = static_cast<std::int64_t>(points.size());
  if (!enough(points, needs)) return fit;
  Profile profile(points);
  const double bound = profile.bound(), step = bound / (grid_values - 1);
  double sum = std::numeric_limits<double>::infinity();
  for (int i = 0; i < grid_values; ++i) {
    Curve curve;
    const double here = profile.at(i * step, curve);
    if (here >= sum) continue;
    sum = here;
    fit.curve = curve;
  }
  const double around = fit.curve.E;
  const double E =
      golden(profile, std::max(around - step, 0.0), std::min(around + step, bound), sum, fit.curve);
  if (E < near_bound * bound) sum = profile.at(0, fit.curve);
  fit.rmse = std::sqrt(sum / static_cast<double>(fit.n));
  if (!fit.curve.scales()) fit.status = FitStatus::no_scaling;
  else if (E < near_bound * bound) fit.status = FitStatus::at_bound_zero;
  else fit.status = E > (1 - near_bound) * bound ? FitStatus::at_bound_max : FitStatus::ok;
  return fit;
}

}  // namespace dfascale::fit
