// Sums over whole tensors into device memory, in a fixed order, in double: norms, dot products,
// mean loss.
#pragma once

#include "kernels/device.hpp"
#include "kernels/span.hpp"

namespace dfascale {

/// *out = sum of x^2.  NaN and Inf in x show in the result.
void sum_of_squares(const Device& on, double* out, ConstVec x);
/// *out = sum of x * y.
void dot(const Device& on, double* out, ConstVec x, ConstVec y);
/// *out += sum of x.
void add_sum(const Device& on, double* out, ConstVec x);

}  // namespace dfascale
