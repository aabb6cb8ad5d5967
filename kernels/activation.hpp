// The MLP's nonlinearity f, its derivative, and the derivative DFA may put in its place (SPEC
// section 2, `derivative`).
#pragma once

#include "kernels/device.hpp"
#include "kernels/real.hpp"

namespace dfascale {

/// f = max(0, a) | 0.5 a (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))) | tanh(a)
enum class Activation { relu, gelu, tanh };
/// f'(a), or 1 - tanh(a)^2 whatever f is.
enum class Derivative { exact, tanh };

/// Whether the derivative can be told from z = f(a) as well as from a, to the last bit: nobody then
/// has to keep a.
constexpr bool is_told_by_output(Activation kind, Derivative derivative) {
  return kind == Activation::relu && derivative == Derivative::exact;
}

/// z (R, C) = f(a); z and a have one precision and may be the same array.
void activation_forward(const Device& on, Stored z, ConstStored a, Activation kind);

/// da = dz * f'(a) (or its replacement); all have one precision; da and dz may be the same array.
/// Where is_told_by_output, f(a) serves in place of a.
void activation_backward(const Device& on, Stored da, ConstStored dz, ConstStored a,
                         Activation kind, Derivative derivative);

}  // namespace dfascale
