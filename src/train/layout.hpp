// How a model is dealt out over ranks: stages, the plan of a step, shards.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/routes.hpp"
#include "deck/settings.hpp"
#include "model/shape.hpp"
#include "model/stage_range.hpp"
#include "pipeline/plan.hpp"
#include "train/learner.hpp"

namespace dfascale {

/// What blocks compute again, or fetch, when they learn instead of keeping it.
struct Recomputation {
  /// By stage and block of the stage; empty: all blocks are as the unlisted.
  std::vector<std::vector<Recompute>> levels;
  Recompute unlisted = Recompute::nothing;  ///< also the blocks of the alignment probe

  bool empty() const { return levels.empty() && unlisted == Recompute::nothing; }
  Recompute level(std::size_t stage, std::size_t block) const {
    return levels.empty() ? unlisted : levels[stage][block];
  }
};

/// Where activations may go until blocks learn.
struct Elsewhere {
  std::string where;      ///< run.offload; empty: nowhere
  StoreSpeed speed = {};  ///< measured when the run begins (tools/memory.hpp)
};

/// What is trained, how, and on which layout.
struct Training {
  Shape shape;
  Rule rule;
  OptimSettings optim;
  ParallelSettings parallel;  ///< resolved: dp * pp ranks
  std::int64_t sequences;     ///< of a micro-batch
  Recomputation recomputation = {};
  Elsewhere elsewhere = {};

  /// With everything kept (planning/memory_budget.hpp chooses what is not).
  static Training of(const Settings& settings);
};

/// The stages of a pipeline: as parallel.split says, or balanced by exact FLOPs.  Throws
/// Error(Exit::usage) for a split that does not give the model's blocks.
std::vector<StageRange> stage_ranges(const Training& training);
/// The plan of a step.  Throws Error(Exit::usage) if the schedule does not fit the rule.
Plan step_plan(const Training& training, const std::vector<StageRange>& ranges);
/// A stage's layout, given all but what follows from the training: the precision, and what its
/// blocks do not keep.
StageLayout stage_layout(const Training& training, std::size_t stage, StageLayout layout);
/// What each stage is laid out for.
std::vector<StageLayout> stage_layouts(const Training& training,
                                       const std::vector<StageRange>& ranges, const Plan& plan);
/// The same without updates: gradients meet and stay.
Plan gradients_only(const Plan& plan);
/// The same within each replica: nothing is summed over replicas.
Plan own_gradients_only(const Plan& plan);
/// Between which ranks of the pipeline a plan's messages go, and those of backpropagation over the
/// same stages.
std::vector<Route> routes_between_stages(const Plan& plan);
/// Where the two ends of a tied matrix are, both ways: of a plan's own messages, and of
/// backpropagation's as above.
std::vector<Route> routes_between_ends(const Shape& shape, const Plan& plan);
/// Which part of the optimiser's state a replica keeps.
Sharding sharding(const ParallelSettings& parallel, int replica);

}  // namespace dfascale
