// What one rank holds of the model: embedding, blocks, head, their activations and working space,
// planned once. It knows how to go forward; what goes backward is the rule's business
// (credit/backward.cpp).
#pragma once

#include <cstdint>
#include <vector>

#include "credit/rule.hpp"
#include "kernels/gemm.hpp"
#include "model/arena.hpp"
#include "model/block.hpp"
#include "model/head.hpp"
#include "model/micro_batch.hpp"
#include "model/parameters.hpp"

namespace dfascale {

class FeedbackMatrix;

struct Stage {
  /// Lays the stage out for micro-batches of `sequences` sequences.  What is stored follows from
  /// the rule: frozen blocks share one set of activations, since nothing of them is needed again.
  Stage(Arena& arena, const Device& on, Gemm& gemm, const Shape& shape, const Rule& rule,
        std::int64_t sequences);

  /// Connects blocks, head and embedding to parameter values (all tensors) and gradients (trained
  /// tensors).
  void bind(const ParameterTable& table, ConstVec values, Vec gradients,
            const FeedbackMatrix& matrix);

  /// Activations of every block, from the loaded micro-batch.
  void forward();
  /// After forward: the head's losses only.
  void evaluate() { head.evaluate(on, gemm, micro_batch.targets()); }
  /// Adds the gradients of both embeddings, given that at x0 (R, D).
  void learn_embedding(ConstMat dx0);

  const Device& on;
  Gemm& gemm;
  Shape shape;
  Rule rule;
  std::int64_t sequences;
  MicroBatch micro_batch;
  Mat x0;  // (R, D)
  std::vector<Block> blocks;
  Head head;
  Mat signal;    // (R, D) gradient at a block's output, passed down the chain
  Mat fed_back;  // (R, D) or (R, 4D): F e, shared by all blocks; empty if the rule feeds nothing
                 // back
  EndTensors<const float> p;
  EndTensors<float> g;
  const FeedbackMatrix* feedback = nullptr;
};

}  // namespace dfascale
