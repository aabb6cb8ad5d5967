// Element-wise sums and copies, and the gradient of a bias.
#pragma once

#include "kernels/device.hpp"
#include "kernels/real.hpp"

namespace dfascale {

/// y = a + b, rounded to how y and a are stored; y may be a or b.
void add(const Device& on, Stored y, ConstStored a, ConstMat b);
/// y = a.
void copy(const Device& on, Vec y, ConstVec a);
/// y (R, C) = factor * a, rounded to how y is stored.
void convert(const Device& on, Stored y, ConstStored a, float factor = 1.0f);
/// y = value everywhere.
void fill(const Device& on, Vec y, float value);
/// y = factor * y.
void scale(const Device& on, Vec y, float factor);
/// dbias (C) += sum over rows of dy (R, C).  Sums in f32, in a fixed order.
void bias_backward(const Device& on, Vec dbias, ConstStored dy);

}  // namespace dfascale
