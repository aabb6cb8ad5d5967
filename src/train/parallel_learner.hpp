// A model that many ranks train together: this rank's stages, its row of the schedule, and the
// engine that runs it.  One rank with the whole model is the smallest case.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/grid.hpp"
#include "deck/settings.hpp"
#include "pipeline/plan.hpp"
#include "train/engine.hpp"
#include "train/layout.hpp"
#include "train/learner.hpp"
#include "train/learning_stage.hpp"

namespace dfascale {

class ParallelLearner {
 public:
  /// Collective.  Lays everything out; parameters, feedback and moments are set afterwards.
  ParallelLearner(const Comm& world, const Device& on, Gemm& gemm, const Training& training);
  ~ParallelLearner();
  ParallelLearner(const ParallelLearner&) = delete;
  ParallelLearner& operator=(const ParallelLearner&) = delete;

  const Grid& grid() const { return grid_; }
  const GridArrays& arrays() const { return arrays_; }
  const Plan& plan() const { return plan_; }
  /// Blocks of each stage of the pipeline.
  const std::vector<StageRange>& ranges() const { return ranges_; }
  /// This rank's stages.
  std::vector<Learner*> learners() const;
  /// Keeps the actions of the first steps for a picture.
  void trace_steps(std::int64_t steps) { trace_ = Trace(steps); }
  const Trace& trace() const { return trace_; }

  void initialise_parameters(std::uint64_t seed, double init_std);
  void draw_feedback(std::uint64_t seed);
  void reset_moments();
  void check_parameters() const;
  /// Of the stage with the head, on all ranks.  Collective.
  std::uint64_t feedback_checksum(const Comm& world) const;

  /// One update; `step` counts from 1.  Waits for nothing that the plan does not make it wait for:
  /// other stages may still be in the step when this returns.
  void step(std::int64_t step, double learning_rate, const TokenSource& tokens);
  /// The step's gradients, summed over replicas (with ZeRO: in the shard only) and over the stages
  /// that share a matrix, without an update.
  void take_gradients(const TokenSource& tokens);
  /// The same without any sum over replicas.
  void take_own_gradients(const TokenSource& tokens);
  /// Of one micro-batch alone, likewise, with another scale of losses.
  void take_probe_gradients(const TokenSource& tokens, float scale);
  /// Sum of the losses of `micro_batches` of this replica, 0 but on the rank with the head.
  double evaluate(std::int64_t micro_batches, const TokenSource& tokens);
  /// Waits until all that this rank has sent is received.
  void finish();

  /// Of the last step, this rank's part: the sum of losses of its replica where it holds the head,
  /// and the square of the norm of its stages' summed gradients.
  double loss_sum() const;
  double gradient_square() const;

  /// Device memory of a stage, and of a place in the pipeline, without taking it.
  static std::vector<MemoryRow> planned_memory(const Training& training, const StageLayout& layout);
  static std::vector<MemoryRow> planned_memory(const Training& training, int place);

 private:
  struct LocalStages;
  void open_store(const Device& on);
  void run(const Plan& plan, Mode mode, const TokenSource& tokens);

  Training training_;
  Grid grid_;
  std::vector<StageRange> ranges_;
  Plan plan_, evaluation_plan_;
  GridArrays arrays_;
  StepContext context_;
  Trace trace_;
  Arena arena_;
  std::unique_ptr<LocalStages> stages_;
  std::unique_ptr<ActivationStore> store_;  ///< closed before the memory that it reads and writes
  std::unique_ptr<Engine> engine_;
};

}  // namespace dfascale
