// One AdamW update of one element in double.
#pragma once

#include <cmath>

#include "kernels/adam.hpp"

namespace dfascale::oracle {

struct Moments {
  double p, m, v;
};

inline Moments adamw(const Moments& old, double gradient, const AdamTensor& t, const AdamStep& s) {
  const double g = gradient * t.gradient_scale;
  const double m = s.beta1 * old.m + (1.0 - s.beta1) * g;
  const double v = s.beta2 * old.v + (1.0 - s.beta2) * g * g;
  const double decayed = old.p * (1.0 - double(t.learning_rate) * t.decay);
  return {decayed - t.learning_rate * (m / s.correction1) / (std::sqrt(v / s.correction2) + s.eps),
          m, v};
}

}  // namespace dfascale::oracle
