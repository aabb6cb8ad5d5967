// L(C) = E + exp(p + alpha ln C), the form of both one-dimensional laws (E = 0: a pure power).
#pragma once

#include <cmath>
#include <optional>

namespace dfascale::fit {

/// Slopes above this are no scaling: C_c would be meaningless.
inline constexpr double least_slope = -1e-6;
/// Logs beyond this do not fit a double with room to spare.
inline constexpr double largest_log = 700;

struct Curve {
  double E = 0;
  double p = 0;  ///< ln of the reducible loss at ln C = 0
  double alpha = 0;

  bool scales() const { return alpha < least_slope; }
  /// ln L at x = ln C.
  double log_loss(double x) const {
    return E > 0 ? std::log(E + std::exp(p + alpha * x)) : p + alpha * x;
  }
  /// ln C_c of (C / C_c)^alpha.
  std::optional<double> log_C_c() const {
    if (!scales()) return std::nullopt;
    return -p / alpha;
  }
  /// ln C at which the loss is exp(y); nothing at or below E.
  std::optional<double> log_compute_for(double y) const {
    const double reducible = E > 0 ? std::exp(y) - E : 0;
    if (!scales() || (E > 0 && !(reducible > 0))) return std::nullopt;
    return ((E > 0 ? std::log(reducible) : y) - p) / alpha;
  }
};

}  // namespace dfascale::fit
