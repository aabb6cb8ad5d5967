// Layer normalisation over the last dimension: y = (x - mean) * rstd * gain + shift, rstd =
// 1/sqrt(var + 1e-5), biased variance.
#pragma once

#include "kernels/device.hpp"
#include "kernels/real.hpp"

namespace dfascale {

inline constexpr float layer_norm_eps = 1e-5f;

/// y (R, D), mean (R), rstd (R) overwritten; x (R, D); gain, shift (D).  mean and rstd are kept for
/// backward.
void norm_forward(const Device& on, Stored y, Vec mean, Vec rstd, ConstMat x, ConstVec gain,
                  ConstVec shift);

/// dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), g = dy * gain, xhat = (x - mean) * rstd.
/// Overwrites or adds to dx.
void norm_backward_input(const Device& on, Mat dx, Into into, ConstStored dy, ConstMat x,
                         ConstVec mean, ConstVec rstd, ConstVec gain);

/// dgain (D) += sum over rows of dy * xhat; dshift (D) += sum over rows of dy.
void norm_backward_params(const Device& on, Vec dgain, Vec dshift, ConstStored dy, ConstMat x,
                          ConstVec mean, ConstVec rstd);

/// xhat (R, D) = (x - mean) * rstd; overwritten.
void normalize(const Device& on, Stored xhat, ConstMat x, ConstVec mean, ConstVec rstd);

/// Gradients of a norm (gain, shift: D) and of the linear layer behind it (weight: C x D, bias: C).
struct NormLinearGradients {
  Vec gain, shift;
  Mat weight;
  Vec bias;
};
struct NormLinearParams {
  ConstVec gain, shift;
  ConstStored weight;
};
/// Gradients of q = W (xhat gain + shift) + b without the gradient at the norm's output.  Given
/// product (C, D) = dq^T xhat and column_sums (C) of dq:  dweight(j,c) = or += product(j,c) gain(c)
/// + column_sums(j) shift(c), dbias(j) += column_sums(j),  dgain(c) += sum_j weight(j,c)
/// product(j,c),  dshift(c) += sum_j weight(j,c) column_sums(j).
void norm_linear_backward_params(const Device& on, const NormLinearGradients& g, Into weight,
                                 ConstMat product, ConstVec column_sums, const NormLinearParams& p);

}  // namespace dfascale
