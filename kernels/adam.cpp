// AdamW in one pass over parameter, moments and gradient: kernels/adam.hpp has the equations.
#include "kernels/adam.hpp"

#include "kernels/launch.hpp"

namespace dfascale {

void adamw(const Device& on, Vec p, Vec m, Vec v, ConstVec gradient, const float* gradient_scale,
           const AdamStep& step) {
  const float keep = 1.0f - step.learning_rate * step.decay;
  const float rate = step.learning_rate / step.correction1;
  const float beta1 = step.beta1, beta2 = step.beta2, eps = step.eps;
  const float root = 1.0f / ::sqrtf(step.correction2);
  each(
      "adamw", on, p.size, DFASCALE_KERNEL(std::int64_t i) {
        const float g = gradient(i) * *gradient_scale;
        const float first = beta1 * m(i) + (1.0f - beta1) * g;
        const float second = beta2 * v(i) + (1.0f - beta2) * (g * g);
        m(i) = first;
        v(i) = second;
        p(i) = p(i) * keep - rate * first / (::sqrtf(second) * root + eps);
      });
}

}  // namespace dfascale
