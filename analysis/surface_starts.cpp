// Starts for fit (iii) by variable projection: for given (a, b) the law is linear in E, A, B.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/fit_surface.hpp"

namespace dfascale::fit {
namespace {

constexpr int grid_size = 20;
constexpr double grid_low = 0.02, grid_high = 2.5;  // of a and b, equidistant in the logarithm

/// min |M x - c| over x >= 0 for three unknowns, from the normal equations: the best of all
/// supports.
Eigen::Vector3d nonnegative_least_squares(const Eigen::Matrix3d& normal, const Eigen::Vector3d& rhs,
                                          double& gain) {
  Eigen::Vector3d best = Eigen::Vector3d::Zero();
  gain = 0;
  for (unsigned support = 1; support < 8; ++support) {
    Eigen::Matrix3d m = Eigen::Matrix3d::Identity();
    Eigen::Vector3d v = Eigen::Vector3d::Zero();
    for (int i = 0; i < 3; ++i) {
      if (!(support >> i & 1U)) continue;
      v[i] = rhs[i];
      for (int j = 0; j < 3; ++j)
        if (support >> j & 1U) m(i, j) = normal(i, j);
    }
    const Eigen::Vector3d x = m.ldlt().solve(v);
    if (!x.allFinite() || (x.array() < 0).any() || !(x.dot(v) > gain)) continue;
    gain = x.dot(v);  // decrease of the sum of squares from that of x = 0
    best = x;
  }
  return best;
}

struct Start {
  double gain;
  SurfaceLaw law;
};

/// Powers of N and D, scaled by their geometric means, for every value of the grid.
class Projection {
 public:
  explicit Projection(std::span<const SurfacePoint> points) {
    const auto n = static_cast<double>(points.size());
    for (const SurfacePoint& p : points) {
      mean_n_ += p.log_params / n;
      mean_d_ += p.log_tokens / n;
    }
    const auto count = static_cast<Eigen::Index>(points.size());
    one_.resize(count);
    params_.resize(count, grid_size);
    tokens_.resize(count, grid_size);
    for (Eigen::Index i = 0; i < count; ++i) {
      const SurfacePoint& p = points[static_cast<std::size_t>(i)];
      one_[i] = std::exp(-p.y);  // weight 1 / L: the column of E
      for (int g = 0; g < grid_size; ++g) {
        params_(i, g) = one_[i] * std::exp(-slope(g) * (p.log_params - mean_n_));
        tokens_(i, g) = one_[i] * std::exp(-slope(g) * (p.log_tokens - mean_d_));
      }
    }
  }

  Start at(int ga, int gb) const {
    const auto A = params_.col(ga), B = tokens_.col(gb);
    Eigen::Matrix3d normal;
    normal << one_.dot(one_), one_.dot(A), one_.dot(B), one_.dot(A), A.dot(A), A.dot(B),
        one_.dot(B), A.dot(B), B.dot(B);
    const Eigen::Vector3d rhs(one_.sum(), A.sum(), B.sum());  // against L / L = 1
    double gain = 0;
    const Eigen::Vector3d x = nonnegative_least_squares(normal, rhs, gain);
    const double a = slope(ga), b = slope(gb);
    const auto log_of = [](double value) { return std::log(std::max(value, 1e-4)); };
    return {gain, {x[0], log_of(x[1]) + a * mean_n_, log_of(x[2]) + b * mean_d_, a, b}};
  }

 private:
  static double slope(int g) {
    return grid_low * std::pow(grid_high / grid_low, g / static_cast<double>(grid_size - 1));
  }

  Eigen::VectorXd one_;
  Eigen::MatrixXd params_, tokens_;
  double mean_n_ = 0, mean_d_ = 0;
};

}  // namespace

std::vector<SurfaceLaw> surface_starts(std::span<const SurfacePoint> points, std::size_t count) {
  const Projection projection(points);
  std::vector<Start> starts;
  for (int ga = 0; ga < grid_size; ++ga)
    for (int gb = 0; gb < grid_size; ++gb) starts.push_back(projection.at(ga, gb));
  std::stable_sort(starts.begin(), starts.end(),
                   [](const Start& s, const Start& t) { return s.gain > t.gain; });
  std::vector<SurfaceLaw> laws;
  for (std::size_t i = 0; i < std::min(count, starts.size()); ++i) laws.push_back(starts[i].law);
  return laws;
}

}  // namespace dfascale::fit
