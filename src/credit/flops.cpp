#include "credit/flops.hpp"

#include "credit/backward.hpp"

namespace dfascale {

Flops flops_per_token(const Shape& shape, const Rule& rule) {
  const double D = static_cast<double>(shape.width), T = static_cast<double>(shape.context);
  const double V = static_cast<double>(shape.vocab);
  const double linears = 2 * 12 * D * D, attention = 2 * T * D, qkv = 2 * 3 * D * D,
               projector = 2 * D * V;
  Flops flops{};
  for (std::int64_t l = 0; l < shape.layers; ++l) {
    flops.forward += linears + attention;
    if (!trains_block(rule, l, shape.layers)) continue;
    flops.weight_gradients += linears;
    if (learns_by_layer(rule, l, shape.layers)) continue;
    flops.input_gradients += linears + 2 * attention;
    if (!passes_down(rule, l, shape.layers)) flops.input_gradients -= qkv;
  }
  flops.forward += projector;
  flops.input_gradients += projector;
  if (rule.train_projector) flops.weight_gradients += projector;
  if (rule.inner == Credit::direct && shape.layers > 1 && rule.feedback != Feedback::identity)
    flops.feedback = 2 * (rule.granularity == Granularity::block ? D : 4 * D) *
                     (rule.error == ErrorTap::logits ? V : D);
  return flops;
}

}  // namespace dfascale
