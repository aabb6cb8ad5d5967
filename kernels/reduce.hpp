// Sums in a fixed order, in double, into device memory: norms, dot products, mean loss.
#pragma once

#include "kernels/device.hpp"
#include "kernels/piece.hpp"

namespace dfascale {

/// *out = sum of x^2.  NaN and Inf in x show in the result.
void sum_of_squares(const Device& on, double* out, ConstVec x);
/// out(i) = sum of x^2 over piece i, likewise: who adds up pieces chooses the order.
void piece_squares(const Device& on, Vector<double> out, ConstVec x, Pieces pieces);
/// *out = sum of x * y.
void dot(const Device& on, double* out, ConstVec x, ConstVec y);
/// *out += sum of x.
void add_sum(const Device& on, double* out, ConstVec x);

}  // namespace dfascale
