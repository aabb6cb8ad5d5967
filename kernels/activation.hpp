// The MLP's nonlinearity f, its derivative, and the derivative DFA may put in its place (SPEC
// section 2, `derivative`).
#pragma once

#include "kernels/device.hpp"
#include "kernels/span.hpp"

namespace dfascale {

/// f = max(0, a) | 0.5 a (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))) | tanh(a)
enum class Activation { relu, gelu, tanh };
/// f'(a), or 1 - tanh(a)^2 whatever f is.
enum class Derivative { exact, tanh };

/// z (R, C) = f(a); z and a may be the same array.
void activation_forward(const Device& on, Mat z, ConstMat a, Activation kind);

/// da = dz * f'(a) (or its replacement); da and dz may be the same array.
void activation_backward(const Device& on, Mat da, ConstMat dz, ConstMat a, Activation kind,
                         Derivative derivative);

}  // namespace dfascale
