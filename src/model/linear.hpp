// y = x W^T + b and its gradients: the one place where a linear layer becomes matrix products.
#pragma once

#include "kernels/gemm.hpp"
#include "kernels/residual.hpp"
#include "model/parameters.hpp"

namespace dfascale {

/// y (R, out) = x (R, in) W^T + b.
inline void project(Gemm& gemm, Stored y, ConstStored x, const LinearTensors<const float>& p) {
  gemm({.c = y, .a = x, .b = p.weight, .b_side = Side::turned, .bias = p.bias});
}

/// dx (R, in) = dy (R, out) W.
inline void project_backward_input(Gemm& gemm, Stored dx, ConstStored dy, ConstStored weight) {
  gemm({.c = dx, .a = dy, .b = weight});
}

/// dW = or += dy^T x, db += column sums of dy.
inline void project_backward_params(const Device& on, Gemm& gemm, const LinearTensors<float>& g,
                                    Into weight, ConstStored dy, ConstStored x) {
  gemm({.c = g.weight, .a = dy, .a_side = Side::turned, .b = x, .into = weight});
  bias_backward(on, g.bias, dy);
}

}  // namespace dfascale
