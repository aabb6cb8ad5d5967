// What one stage holds of the model: embedding, blocks, head, and slots of activations for the
// micro-batches that are under way at once, planned once.  It knows how to go forward; what goes
// backward is the rule's business (credit/backward.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "credit/rule.hpp"
#include "kernels/gemm.hpp"
#include "kernels/replay.hpp"
#include "model/arena.hpp"
#include "model/block.hpp"
#include "model/head.hpp"
#include "model/micro_batch.hpp"
#include "model/offload.hpp"
#include "model/parameters.hpp"
#include "model/stage_range.hpp"

namespace dfascale {

class FeedbackMatrix;

/// What a stage is laid out for.
struct StageLayout {
  StageRange range;
  std::int64_t sequences;  ///< of a micro-batch
  std::int64_t slots = 1;  ///< micro-batches under way at once
  /// Weight gradients taken later than input gradients: what they need is kept until then.
  bool splits_backward = false;
  Precision precision = Precision::f32;  ///< of what products read
  /// By block of the stage, what it does not keep until it learns; empty: blocks that learn keep
  /// everything.
  std::vector<BlockParts> dropped = {};
  /// Likewise, what of the rest goes to a store until then.
  std::vector<BlockParts> sent = {};

  BlockParts dropped_by(std::int64_t block) const { return parts_of(dropped, block); }
  BlockParts sent_by(std::int64_t block) const { return parts_of(sent, block); }

 private:
  BlockParts parts_of(const std::vector<BlockParts>& by_block, std::int64_t block) const {
    return by_block.empty() ? BlockParts{}
                            : by_block[static_cast<std::size_t>(block - range.first)];
  }
};

/// Whether a block learns right after its forward: the last one of a stage with one slot.  What it
/// dropped is then still there, but for a pass that comes later.
inline bool learns_at_once(const StageRange& range, std::int64_t slots, std::int64_t block) {
  return slots == 1 && block == range.end - 1;
}

/// The arrays that all blocks of a stage share: what they drop, and where there are blocks that do
/// not learn all but y of those, since nothing of them is read again.
BlockParts shared_parts(const Rule& rule, const StageLayout& layout, std::int64_t layers);

/// One micro-batch under way.
struct Slot {
  std::int64_t number;
  MicroBatch micro_batch;  ///< where the stage has the embedding or the head, else without memory
  Mat x;                   // (R, D) the stage's input: embedded tokens, or received
  std::vector<Block> blocks;
  /// signals[i] (R, D): the gradient at the input of the stage's block i; the last one that at the
  /// stage's output.  One buffer, passed down in place, unless the backward pass is split; empty
  /// where the rule passes none.
  std::vector<Mat> signals;
  Stored fed_back;  // (R, D) or (R, 4D): F e, shared by all blocks; empty if there is none

  ConstMat output() const { return blocks.empty() ? ConstMat(x) : ConstMat(blocks.back().act.y); }
};

/// Whose weights' gradients a step has left nothing in yet: its first micro-batch overwrites them,
/// so that most of a stage's gradients need not be set to zero, nor be read that time.
class FreshWeights {
 public:
  void begin(const StageRange& range) {
    first_ = range.first;
    is_fresh_.assign(static_cast<std::size_t>(range.blocks()) + 1, true);
  }
  /// Of a block, or of the head, which is block L; to be asked once for each micro-batch.
  Into first_into(std::int64_t block) {
    const auto i = static_cast<std::size_t>(block - first_);
    const Into into = is_fresh_[i] ? Into::overwrite : Into::add;
    is_fresh_[i] = false;
    return into;
  }

 private:
  std::int64_t first_ = 0;
  std::vector<bool> is_fresh_;
};

struct Stage {
  /// What is stored follows from the rule and from what blocks drop: there is one set of arrays for
  /// all that is not needed again, or computed again, in the whole stage.
  Stage(Arena& arena, const Device& on, Gemm& gemm, const Shape& shape, const Rule& rule,
        const StageLayout& layout);

  /// Connects blocks, head and embedding to parameter values (all tensors) and gradients (trained
  /// tensors), each laid out as its table says.
  void bind(const ParameterTable& of_values, ConstVec values, const ParameterTable& of_gradients,
            Vec gradients, const FeedbackMatrix& matrix);

  /// Once the values have changed, before anything is computed with them: rounds what products read
  /// of them.
  void round_weights();
  /// A step begins: gradients to zero, or to be overwritten.
  void begin_gradients();
  /// Activations of every block, from the slot's tokens or its received input; what blocks send
  /// until they learn goes to the store.
  void forward(const Slot& slot);
  /// The same where nothing will learn: only the output is there afterwards.
  void forward_only(const Slot& slot);
  /// After either, on the last stage: the head's losses only.
  void evaluate(const Slot& slot);
  /// Adds the gradients of both embeddings, given that at x0 (R, D).
  void learn_embedding(const Slot& slot, ConstStored dx0) const;

  const Device& on;
  Gemm& gemm;
  Shape shape;
  Rule rule;
  StageRange range;
  std::int64_t sequences;
  Precision precision;
  std::vector<Slot> slots;
  Offload offload;
  Head head;      ///< laid out where the stage has it
  Replay replay;  ///< of what the stage computes; slots are numbers of its passages
  EndTensors<const float> p;
  EndTensors<float> g;
  FreshWeights fresh;
  const FeedbackMatrix* feedback = nullptr;

 private:
  Slot lay_out_slot(Arena& arena, const StageLayout& layout, const BlockScratch& scratch,
                    const BlockActivations& shared) const;
  std::vector<Mat> lay_out_signals(Arena& arena, bool splits_backward) const;
  void lay_out_weights(Arena& arena);
  void embed(const Slot& slot) const;
  std::vector<Mat> weight_gradients() const;

  /// A matrix of values, and what products read instead.
  struct Rounded {
    ConstMat exact;
    Stored rounded;
  };
  std::vector<Rounded> weights_;  ///< of blocks, then the projector; none in f32
  std::vector<Vec> added_to_;     ///< all gradients but weights'
};

/// Whether a stage needs F e: for its fed-back blocks, or for the embedding.
bool is_fed_back(const Rule& rule, const StageRange& range, std::int64_t layers);
/// Whether a stage needs the gradient at its output: the chain's, or the last block's true one.
bool takes_gradient(const Rule& rule, const StageRange& range, std::int64_t layers);

}  // namespace dfascale
