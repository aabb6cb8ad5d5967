// What a layout of a training costs on a machine: its plan, timed by exact FLOPs, and its memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "pipeline/simulate.hpp"
#include "planning/machine.hpp"
#include "planning/recompute_choices.hpp"
#include "train/layout.hpp"

namespace dfascale {

/// A stage's seconds for one micro-batch, from exact FLOPs over what the machine reaches; its share
/// of a step that is not computing: sums over replicas and the update.
StageTimes stage_times(const Training& training, const StageRange& range, const Machine& machine);

/// Times of all stages, sizes of messages, and where the ranks of the first pipeline are.
Workload workload_of(const Training& training, const std::vector<StageRange>& ranges,
                     const Plan& plan, const Machine& machine);

/// Bytes of stages as the program lays them out, and what they may compute again to take less.
/// Counting a large stage takes milliseconds, so what was counted is kept; bytes grow evenly with
/// slots.
class StageMemory {
 public:
  /// With everything kept.
  std::int64_t bytes(const Training& training, const StageLayout& layout);
  /// Of the stages of a rank (planning/recompute_choices.hpp).
  const std::vector<RecomputeChoice>& choices(const Training& training,
                                              const std::vector<StageLayout>& stages);

 private:
  using Kind =
      std::tuple<std::string, std::int64_t, bool, bool, bool, bool, std::int64_t, std::int64_t>;
  static Kind kind_of(const Training& training, const StageLayout& layout);
  struct Line {
    std::int64_t one_slot, each_more;
  };
  std::map<Kind, Line> known_;
  using Slots = std::int64_t;
  std::map<std::vector<std::pair<Kind, Slots>>, std::vector<RecomputeChoice>> choices_;
};

/// One layout, costed.
struct LayoutCost {
  Training training;  ///< with what is computed again, once memory is added
  std::vector<StageRange> ranges;
  Plan plan;
  std::vector<std::int32_t> slots;  ///< by stage
  std::vector<std::int64_t> stage_bytes;
  Workload workload;
  Simulation simulation;
  std::int64_t budget = 0;  ///< run.memory; 0: none, nothing is computed again

  std::int64_t ranks() const { return training.parallel.dp * training.parallel.pp; }
  std::int64_t most_bytes() const { return of_fullest_rank(stage_bytes); }
  /// Sums over each rank's stages, the largest.
  std::int64_t of_fullest_rank(const std::vector<std::int64_t>& by_stage) const;
  bool fits(const Machine& machine) const { return most_bytes() <= limit(machine); }
  /// Bytes that a rank may take: the machine's, or the budget if that is less.
  std::int64_t limit(const Machine& machine) const;
  double step_tokens() const;
  double tokens_per_second() const { return step_tokens() / simulation.step; }
  /// Exact FLOPs over what all ranks could do at the peak.
  double mfu(const Machine& machine) const;
  /// What the schedule idles by formula if the ranks shared the work evenly; nothing where there is
  /// no formula.
  std::optional<double> idle_in_theory() const;
};

/// Plan and workload only.  Throws Error(Exit::usage) if the schedule or the split does not fit the
/// training.
LayoutCost plan_layout(const Training& training, const Machine& machine, std::int64_t budget = 0);
/// Adds slots and memory.  Where a rank takes more than the machine and run.memory let it, and
/// run.memory is set, also what its blocks compute again, and the time that takes; what takes least
/// where even that is too much.
void add_memory(LayoutCost& cost, StageMemory& memory, const Machine& machine);
/// Less than or equal to what add_memory() will find, and found sooner: with as many slots as the
/// plan's rows alone ask for.
std::int64_t least_bytes(const LayoutCost& cost, StageMemory& memory);
/// After add_memory().
void add_simulation(LayoutCost& cost, const SimulationOptions& options);

}  // namespace dfascale
