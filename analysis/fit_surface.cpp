// The exact objective of fit (iii) and its minimisation.  For delta far below the noise the
// objective is nearly a sum of absolute values; delta is therefore lowered in steps, each solved by
// damped Gauss-Newton, until the last step is the objective asked for.
#include "analysis/fit_surface.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <set>

namespace dfascale::fit {
namespace {

using Vector5 = Eigen::Matrix<double, 5, 1>;
using Matrix5 = Eigen::Matrix<double, 5, 5>;

constexpr double log_low = -10, log_high = 60;      // bounds of ln A and ln B
constexpr double slope_low = 0.01, slope_high = 3;  // bounds of a and b
constexpr double near_bound = 1e-6;
constexpr int most_steps = 400;           // of one minimisation
constexpr double settled_change = 1e-12;  // relative change of the objective

/// Sum of Huber losses with gradient and Gauss-Newton matrix, in parameters (E, u, v, a, b):
/// u = ln A - a mean(ln N), v = ln B - b mean(ln D) take the strong correlation of ln A and a away.
class Objective {
 public:
  explicit Objective(std::span<const SurfacePoint> points) : points_(points) {
    double least = points.front().y;
    for (const SurfacePoint& p : points) {
      mean_n_ += p.log_params / static_cast<double>(points.size());
      mean_d_ += p.log_tokens / static_cast<double>(points.size());
      least = std::min(least, p.y);
    }
    E_high_ = std::exp(least);
  }

  double value(const Vector5& t, double delta) const {
    double sum = 0;
    for (const SurfacePoint& p : points_) sum += huber(residual(t, p), delta);
    return sum;
  }

  double value(const Vector5& t, double delta, Vector5& gradient, Matrix5& normal) const {
    double sum = 0;
    gradient.setZero();
    normal.setZero();
    for (const SurfacePoint& p : points_) {
      const double dn = p.log_params - mean_n_, dd = p.log_tokens - mean_d_;
      const double A = std::exp(t[1] - t[3] * dn), B = std::exp(t[2] - t[4] * dd);
      const double loss = t[0] + A + B, r = p.y - std::log(loss);
      const double pull = std::clamp(r, -delta, delta);
      Vector5 j;  // d(ln loss) / d(parameter)
      j << 1, A, B, -A * dn, -B * dd;
      j /= loss;
      gradient -= pull * j;
      // IRLS weight outside, so that the matrix never vanishes where all residuals exceed delta
      normal.noalias() += (pull / (r == 0 ? 1 : r) + (r == 0)) * j * j.transpose();
      sum += huber(r, delta);
    }
    return sum;
  }

  double median_residual(const Vector5& t) const {
    std::vector<double> sizes;
    sizes.reserve(points_.size());
    for (const SurfacePoint& p : points_) sizes.push_back(std::abs(residual(t, p)));
    std::nth_element(sizes.begin(), sizes.begin() + sizes.size() / 2, sizes.end());
    return sizes[sizes.size() / 2];
  }

  Vector5 centred(const SurfaceLaw& law) const {
    return clamped({law.E, law.log_A - law.a * mean_n_, law.log_B - law.b * mean_d_, law.a, law.b});
  }
  SurfaceLaw law(const Vector5& t) const {
    return {t[0], t[1] + t[3] * mean_n_, t[2] + t[4] * mean_d_, t[3], t[4]};
  }

  /// The nearest allowed parameters.
  Vector5 clamped(Vector5 t) const {
    t[0] = std::clamp(t[0], 0.0, E_high_);
    t[3] = std::clamp(t[3], slope_low, slope_high);
    t[4] = std::clamp(t[4], slope_low, slope_high);
    t[1] = std::clamp(t[1] + t[3] * mean_n_, log_low, log_high) - t[3] * mean_n_;
    t[2] = std::clamp(t[2] + t[4] * mean_d_, log_low, log_high) - t[4] * mean_d_;
    return t;
  }

  /// -1, 0, +1: at the lower bound, free, at the upper bound.
  std::array<int, 5> sides(const Vector5& t) const {
    const SurfaceLaw l = law(t);
    const auto side = [](double value, double low, double high) {
      return value < low + near_bound ? -1 : value > high - near_bound ? 1 : 0;
    };
    return {side(l.E, 0, E_high_), side(l.log_A, log_low, log_high),
            side(l.log_B, log_low, log_high), side(l.a, slope_low, slope_high),
            side(l.b, slope_low, slope_high)};
  }

 private:
  static double huber(double r, double delta) {
    const double size = std::abs(r);
    return size <= delta ? 0.5 * r * r : delta * (size - 0.5 * delta);
  }
  double residual(const Vector5& t, const SurfacePoint& p) const {
    return p.y - std::log(t[0] + std::exp(t[1] - t[3] * (p.log_params - mean_n_)) +
                          std::exp(t[2] - t[4] * (p.log_tokens - mean_d_)));
  }

  std::span<const SurfacePoint> points_;
  double mean_n_ = 0, mean_d_ = 0, E_high_ = 0;
};

/// Damped step from t; parameters at a bound that the gradient pushes outwards stay.
Vector5 damped_step(const Objective& objective, const Vector5& t, const Vector5& gradient,
                    const Matrix5& normal, double damping) {
  const auto sides = objective.sides(t);
  Matrix5 m = normal;
  Vector5 g = gradient;
  for (int i = 0; i < 5; ++i) {
    m(i, i) += damping * normal(i, i) + 1e-300;
    if (sides[static_cast<std::size_t>(i)] * gradient[i] >= 0) continue;
    m.row(i).setZero();
    m.col(i).setZero();
    m(i, i) = 1;
    g[i] = 0;
  }
  return -m.ldlt().solve(g);
}

struct Minimum {
  Vector5 t;
  double value;
};

/// Levenberg-Marquardt for one delta.
Minimum minimise(const Objective& objective, Vector5 t, double delta, double settled) {
  Vector5 gradient;
  Matrix5 normal;
  double value = objective.value(t, delta, gradient, normal);
  double damping = 1e-3;
  int quiet = 0;  // consecutive steps without a change worth having
  for (int i = 0; i < most_steps && quiet < 3; ++i) {
    const Vector5 step = damped_step(objective, t, gradient, normal, damping);
    const Vector5 next = objective.clamped(t + step);
    const double there = step.allFinite() ? objective.value(next, delta) : value;
    quiet =
        value - there <= settled * value && std::abs(there - value) <= 1e-9 * value ? quiet + 1 : 0;
    if (!(there < value)) {
      damping = std::min(damping * 8, 1e12);
      continue;
    }
    t = next;
    value = objective.value(t, delta, gradient, normal);
    damping = std::max(damping / 5, 1e-15);
  }
  return {t, value};
}

/// Lowers delta from the size of the residuals to the one asked for.
Minimum descend(const Objective& objective, const Vector5& start, double huber) {
  Minimum best{start, 0};
  double delta = 4 * objective.median_residual(start);
  while (delta > huber) {
    best = minimise(objective, best.t, delta, 1e-5);
    delta *= 0.4;
  }
  return minimise(objective, best.t, huber, settled_change);
}

SurfaceFit finished(const Objective& objective, const Minimum& best, std::size_t n) {
  SurfaceFit fit;
  fit.n = static_cast<std::int64_t>(n);
  fit.law = objective.law(best.t);
  fit.objective = best.value;
  const auto sides = objective.sides(best.t);
  const bool bound = std::any_of(sides.begin(), sides.end(), [](int side) { return side != 0; });
  fit.status = bound ? FitStatus::at_bound : FitStatus::ok;
  return fit;
}

}  // namespace

bool enough_for_surface(std::span<const SurfacePoint> points) {
  if (points.size() < 12) return false;
  std::set<double> sizes;
  double low = points.front().log_tokens, high = low;
  for (const SurfacePoint& p : points) {
    sizes.insert(p.log_params);
    low = std::min(low, p.log_tokens);
    high = std::max(high, p.log_tokens);
  }
  return sizes.size() >= 3 && high - low >= 1;
}

SurfaceFit refit_surface(std::span<const SurfacePoint> points, double huber,
                         const SurfaceLaw& start) {
  if (!enough_for_surface(points)) return {};
  const Objective objective(points);
  return finished(objective, descend(objective, objective.centred(start), huber), points.size());
}

SurfaceFit fit_surface(std::span<const SurfacePoint> points, double huber) {
  if (!enough_for_surface(points)) return {};
  const Objective objective(points);
  Minimum best{Vector5::Zero(), std::numeric_limits<double>::infinity()};
  for (const SurfaceLaw& start : surface_starts(points, 8)) {
    const Vector5 t = objective.centred(start);
    // both ways down: the lowered delta finds the broad valley, the direct way a local one
    for (const Minimum& found :
         {descend(objective, t, huber), minimise(objective, t, huber, settled_change)})
      if (found.value < best.value) best = found;
  }
  return finished(objective, best, points.size());
}

}  // namespace dfascale::fit
