// AdamW in one pass over parameters, moments and gradients: kernels/adam.hpp has the equations.
#include "kernels/adam.hpp"

#include "kernels/launch.hpp"

namespace dfascale {

void adamw(const Device& on, Vec p, Vec m, Vec v, ConstVec gradient, Pieces pieces,
           Vector<const AdamTensor> tensors, const AdamStep& step) {
  const float beta1 = step.beta1, beta2 = step.beta2, eps = step.eps;
  const float correction1 = step.correction1;
  const float root = 1.0f / ::sqrtf(step.correction2);
  rows(
      "adamw", on, pieces.size, DFASCALE_KERNEL(const Row& row) {
        const Piece piece = pieces(row.index);
        const AdamTensor tensor = tensors(piece.tensor);
        const float scale = tensor.gradient_scale;
        const float keep = 1.0f - tensor.learning_rate * tensor.decay;
        const float rate = tensor.learning_rate / correction1;
        row_each(row, piece.size, [&](int c) {
          const std::int64_t i = piece.first + c;
          const float g = gradient(i) * scale;
          const float first = beta1 * m(i) + (1.0f - beta1) * g;
          const float second = beta2 * v(i) + (1.0f - beta2) * (g * g);
          m(i) = first;
          v(i) = second;
          p(i) = p(i) * keep - rate * first / (::sqrtf(second) * root + eps);
        });
      });
}

}  // namespace dfascale
