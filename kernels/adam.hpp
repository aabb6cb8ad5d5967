// AdamW with decoupled weight decay (SPEC section 3).
#pragma once

#include "kernels/device.hpp"
#include "kernels/span.hpp"

namespace dfascale {

/// Constants of one update of one tensor.  The gradient is scaled first (clipping).
struct AdamStep {
  float learning_rate, beta1, beta2, eps;
  float decay;        ///< weight_decay for decayed tensors, else 0
  float correction1;  ///< 1 - beta1^step
  float correction2;  ///< 1 - beta2^step
};

/// g = gradient * *gradient_scale; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2;
/// p = p (1 - learning_rate decay) - learning_rate (m / correction1) / (sqrt(v / correction2) +
/// eps). gradient_scale points to one float in device memory.
void adamw(const Device& on, Vec p, Vec m, Vec v, ConstVec gradient, const float* gradient_scale,
           const AdamStep& step);

}  // namespace dfascale
