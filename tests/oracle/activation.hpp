// The nonlinearities and their derivatives in double.
#pragma once

#include <cmath>
#include <numbers>

#include "kernels/activation.hpp"

namespace dfascale::oracle {

inline double activation(double a, Activation kind) {
  switch (kind) {
    case Activation::relu: return a > 0 ? a : 0;
    case Activation::tanh: return std::tanh(a);
    case Activation::gelu:
      return 0.5 * a *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (a + 0.044715 * a * a * a)));
  }
  return 0;
}

inline double slope(double a, Activation kind, Derivative derivative) {
  if (derivative == Derivative::tanh) return 1 - std::pow(std::tanh(a), 2);
  switch (kind) {
    case Activation::relu: return a > 0 ? 1 : 0;
    case Activation::tanh: return 1 - std::pow(std::tanh(a), 2);
    case Activation::gelu: {
      const double root = std::sqrt(2 / std::numbers::pi);
      const double t = std::tanh(root * (a + 0.044715 * a * a * a));
      return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * root * (1 + 3 * 0.044715 * a * a);
    }
  }
  return 0;
}

}  // namespace dfascale::oracle
