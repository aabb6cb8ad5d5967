// Arrays of the oracles: plain loops in double, written for reading, not for speed.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace dfascale::oracle {

using Values = std::vector<double>;

/// rows x cols, row-major, without gaps.
struct Dense {
  std::int64_t rows = 0, cols = 0;
  Values values;

  Dense() = default;
  Dense(std::int64_t rows, std::int64_t cols)
      : rows(rows), cols(cols), values(static_cast<std::size_t>(rows * cols)) {}
  Dense(std::int64_t rows, std::int64_t cols, Values values)
      : rows(rows), cols(cols), values(std::move(values)) {}

  double& operator()(std::int64_t r, std::int64_t c) {
    return values[static_cast<std::size_t>(r * cols + c)];
  }
  double operator()(std::int64_t r, std::int64_t c) const {
    return values[static_cast<std::size_t>(r * cols + c)];
  }
};

/// sum of a * b over all elements: turns an array-valued function into a scalar one.
inline double inner(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Gradient of f at x by central differences; the error is about h^2 f''' + 1e-16 f / h.
inline Values finite_differences(const std::function<double(const Values&)>& f, Values x,
                                 double h = 1e-5) {
  Values gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double kept = x[i];
    x[i] = kept + h;
    const double above = f(x);
    x[i] = kept - h;
    const double below = f(x);
    x[i] = kept;
    gradient[i] = (above - below) / (2 * h);
  }
  return gradient;
}

}  // namespace dfascale::oracle
