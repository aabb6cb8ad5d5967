// Layer normalisation in double.
#pragma once

#include <cmath>

#include "tests/oracle/dense.hpp"

namespace dfascale::oracle {

struct Normed {
  Dense y;
  Values mean, rstd;
};

inline Normed norm_forward(const Dense& x, const Values& gain, const Values& shift) {
  Normed result{Dense(x.rows, x.cols), Values(x.rows), Values(x.rows)};
  for (std::int64_t r = 0; r < x.rows; ++r) {
    double mean = 0, variance = 0;
    for (std::int64_t c = 0; c < x.cols; ++c) mean += x(r, c) / x.cols;
    for (std::int64_t c = 0; c < x.cols; ++c) variance += std::pow(x(r, c) - mean, 2) / x.cols;
    const double rstd = 1 / std::sqrt(variance + 1e-5);
    result.mean[r] = mean;
    result.rstd[r] = rstd;
    for (std::int64_t c = 0; c < x.cols; ++c) {
      result.y(r, c) = (x(r, c) - mean) * rstd * gain[c] + shift[c];
    }
  }
  return result;
}

struct NormGradient {
  Dense dx;
  Values dgain, dshift;
};

inline NormGradient norm_backward(const Dense& dy, const Dense& x, const Values& gain) {
  const Normed kept = norm_forward(x, gain, Values(x.cols));
  NormGradient result{Dense(x.rows, x.cols), Values(x.cols), Values(x.cols)};
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const auto xhat = [&](std::int64_t c) { return (x(r, c) - kept.mean[r]) * kept.rstd[r]; };
    double mean_g = 0, mean_gx = 0;
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const double g = dy(r, c) * gain[c];
      mean_g += g / x.cols;
      mean_gx += g * xhat(c) / x.cols;
      result.dgain[c] += dy(r, c) * xhat(c);
      result.dshift[c] += dy(r, c);
    }
    for (std::int64_t c = 0; c < x.cols; ++c) {
      result.dx(r, c) = kept.rstd[r] * (dy(r, c) * gain[c] - mean_g - xhat(c) * mean_gx);
    }
  }
  return result;
}

}  // namespace dfascale::oracle
