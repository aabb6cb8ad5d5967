// What the engine asks of a stage.  LearningStage does it; the schedule bench has a stage that only
// takes time.
#pragma once

#include <cstdint>

#include "kernels/span.hpp"
#include "model/block.hpp"

namespace dfascale {

/// What a plan is executed for.
enum class Mode : std::uint8_t { learn, evaluate };

/// Which of a step's actions of its kind on its stage this is.
enum class Turn : std::uint8_t { not_last, last };

class StageWork {
 public:
  virtual ~StageWork() = default;

  virtual std::int64_t slots() const = 0;
  /// A step begins: gradients to zero.
  virtual void begin_step() = 0;
  /// Forward of a micro-batch in a slot, whose input was received unless the stage is the first.
  virtual void forward(std::int64_t slot, std::int64_t micro_batch, Mode mode, Turn turn) = 0;
  virtual void backward(std::int64_t slot, Pass pass, Turn turn) = 0;

  /// What messages carry, in a slot's memory: the stage's input and output, the gradients at both,
  /// and F e.  Where a stage is both ends of a message they may be the same.
  virtual Vec input(std::int64_t slot) = 0;
  virtual Vec output(std::int64_t slot) = 0;
  virtual Vec input_gradient(std::int64_t slot) = 0;
  virtual Vec output_gradient(std::int64_t slot) = 0;
  virtual Vec fed_back(std::int64_t slot) = 0;

  /// Once a step, in the order that the plan gives them (pipeline/plan.hpp, Op).
  virtual void reduce() = 0;
  virtual void send_tied(int to_rank) = 0;
  virtual void receive_tied(int from_rank) = 0;
  virtual void share_norms() = 0;
  /// Waits until the sums over replicas and stages that update needs are there.
  virtual void finish_sums() = 0;
  virtual void update() = 0;
};

}  // namespace dfascale
