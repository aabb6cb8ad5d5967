#include "credit/flops.hpp"

#include "credit/backward.hpp"

namespace dfascale {

Flops flops_per_token(const Shape& shape, const Rule& rule) {
  return flops_per_token(shape, rule, whole_model(shape.layers));
}

StageFlops flops_per_token(const Shape& shape, const Rule& rule, const StageRange& range) {
  const double D = static_cast<double>(shape.width), T = static_cast<double>(shape.context);
  const double V = static_cast<double>(shape.vocab);
  const double linears = 2 * 12 * D * D, attention = 2 * T * D, qkv = 2 * 3 * D * D,
               projector = 2 * D * V;
  StageFlops flops{};
  for (std::int64_t l = range.first; l < range.end; ++l) {
    flops.forward += linears + attention;
    if (!trains_block(rule, l, shape.layers)) continue;
    flops.weight_gradients += linears;
    if (learns_by_layer(rule, l, shape.layers)) continue;
    flops.input_gradients += linears + 2 * attention;
    if (!passes_down(rule, l, shape.layers)) flops.input_gradients -= qkv;
  }
  if (!range.has_head) return flops;
  const double of_blocks = flops.total();
  flops.forward += projector;
  flops.input_gradients += projector;
  if (rule.train_projector) flops.weight_gradients += projector;
  if (rule.inner == Credit::direct && shape.layers > 1 && rule.feedback != Feedback::identity)
    flops.feedback = 2 * (rule.granularity == Granularity::block ? D : 4 * D) *
                     (rule.error == ErrorTap::logits ? V : D);
  flops.of_head = flops.total() - of_blocks;
  return flops;
}

}  // namespace dfascale
