// The credit-assignment rules at work: where the signal at each block's output comes from (SPEC
// section 2).
#pragma once

#include <functional>

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

/// What a pass over a block reads of its forward's parts; nothing where the block is not trained.
BlockParts parts_read(const Rule& rule, const Shape& shape, std::int64_t block, Pass pass);
/// What a block does not keep at a level: its parts, and those that the rule never reads.  What is
/// never read is dropped at all levels; where the pre-activation is, f of it takes its place and
/// goes when it would.
BlockParts parts_dropped(const Rule& rule, const Shape& shape, std::int64_t block, Recompute level);
/// What it sends to a store at a level, of what it does not drop.
BlockParts parts_sent(const Rule& rule, const Shape& shape, std::int64_t block, Recompute level);

/// The head's part of learning, after stage.forward and on the last stage only: fills its losses
/// and leaves the gradients of scale * (sum of the micro-batch's losses): final LN's added, the
/// projector's as `weights` says (Head::learn), that at the last block's output in signals.back();
/// and F e in fed_back.
void learn_head(Stage& stage, const Slot& slot, float scale, Into weights);

/// After learn_head and with signals.back() and fed_back where the stage takes them: adds to the
/// gradients of the stage's blocks and embedding, and leaves in signals.front() what the chain
/// passes to the stage below.  Calls `done` with each block whose gradients this pass has
/// completed, -1 for the embedding.
void backward(Stage& stage, std::int64_t slot, Pass pass,
              const std::function<void(std::int64_t block)>& done = {});

}  // namespace dfascale
