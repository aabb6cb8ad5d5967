// AdamW with decoupled weight decay, of many tensors at once (SPEC section 3).
#pragma once

#include "kernels/device.hpp"
#include "kernels/piece.hpp"

namespace dfascale {

/// Constants of one update that all tensors share.
struct AdamStep {
  float beta1, beta2, eps;
  float correction1;  ///< 1 - beta1^step
  float correction2;  ///< 1 - beta2^step
};

/// Constants of one update of one tensor.
struct AdamTensor {
  float gradient_scale;  ///< of clipping
  float learning_rate;
  float decay;  ///< weight_decay for decayed tensors, else 0
};

/// Of every element in a piece, with the constants tensors(piece.tensor):
/// g = gradient * gradient_scale; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2;
/// p = p (1 - learning_rate decay) - learning_rate (m / correction1) / (sqrt(v / correction2) +
/// eps).  The pieces do not overlap; other elements stay as they are.
void adamw(const Device& on, Vec p, Vec m, Vec v, ConstVec gradient, Pieces pieces,
           Vector<const AdamTensor> tensors, const AdamStep& step);

}  // namespace dfascale
