// A stage that takes gradients: forward, backward and what its messages carry.
#pragma once

#include <cstdint>
#include <functional>

#include "data/batches.hpp"
#include "train/learner.hpp"
#include "train/stage_work.hpp"

namespace dfascale {

/// Fills in the tokens of a micro-batch of this replica; returns how many of its sequences count.
using TokenSource = std::function<std::int64_t(std::int64_t micro_batch, Batch& batch)>;

/// What the stages of a rank share during a step.
struct StepContext {
  std::int64_t step = 0;  ///< from 1
  double learning_rate = 0;
  float scale = 0;  ///< of losses in gradients: 1 / tokens of the step
  bool sums_over_replicas = true;
  TokenSource tokens;
  Batch batch = {};
  double pipeline_square = 0;  ///< of the gradients of all stages, once shared
};

class TakerStage : public StageWork {
 public:
  TakerStage(const Device& on, GradientTaker& taker, StepContext& context)
      : on_(on), taker_(taker), context_(context) {}

  std::int64_t slots() const override;
  void begin_step() override { taker_.begin(); }
  void forward(std::int64_t slot, std::int64_t micro_batch, Mode mode, Turn turn) override;
  void backward(std::int64_t slot, Pass pass, Turn turn) override;
  Vec input(std::int64_t slot) override;
  Vec output(std::int64_t slot) override;
  Vec input_gradient(std::int64_t slot) override;
  Vec output_gradient(std::int64_t slot) override;
  Vec fed_back(std::int64_t slot) override;

 protected:
  /// The step's gradients of a block are complete: -1 the embeddings, L the head.
  virtual void complete(std::int64_t block) = 0;

  const Device& on_;
  GradientTaker& taker_;
  StepContext& context_;

 private:
  std::int64_t load(Slot& slot, std::int64_t micro_batch);
  void check_forward(std::int64_t slot, Mode mode) const;
};

}  // namespace dfascale
