// The credit-assignment rules at work: where the signal at each block's output comes from (SPEC
// section 2).
#pragma once

#include "credit/rule.hpp"
#include "model/stage.hpp"

namespace dfascale {

/// Whether a block's every layer gets its own feedback, instead of a signal at the block's output.
inline bool learns_by_layer(const Rule& rule, std::int64_t block, std::int64_t layers) {
  return block < layers - 1 && rule.inner == Credit::direct &&
         rule.granularity == Granularity::layer;
}

/// Whether anybody uses the gradient at a block's input: the block below, or the embedding.
inline bool passes_down(const Rule& rule, std::int64_t block, std::int64_t layers) {
  if (rule.inner == Credit::chain) return true;
  return block == 0 && layers > 1 && rule.embedding == EmbeddingCredit::block;
}

/// After stage.forward: fills the head's losses and adds to the gradients of every tensor that the
/// rule trains those of scale * (sum of the micro-batch's losses).
void backward(Stage& stage, float scale);

}  // namespace dfascale
