// Which layout of a training is fastest on a machine: tries replicas, ranks of a pipeline, micro-
// batches and schedules, under several rules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "credit/rule.hpp"
#include "deck/settings.hpp"
#include "planning/costs.hpp"

namespace dfascale {

struct SweepLimits {
  /// Most micro-batches of a replica and step.
  std::int64_t micro_batches = 512;
  /// Layouts to keep for each rule.
  std::int64_t kept = 5;
  std::int32_t steps = 4;  ///< simulated
};

/// What a sweep found for one rule: the best, and the best for each number of ranks in a pipeline
/// (ascending), by time of a step.  Where a layout is too large, its like with longer micro-batches
/// are not tried.
struct SweepResult {
  Rule rule;
  std::vector<LayoutCost> best, by_pipeline;
  std::int64_t tried = 0, too_large = 0;  ///< layouts; of those tried, beyond the memory
};

/// Everything that is not the layout or the rule is the deck's, run.memory among it: within it
/// blocks compute again what they cannot keep.  Uses as many of the machine's
/// ranks as the layout divides, at least three in four.
SweepResult sweep(const Settings& settings, const Rule& rule, const Machine& machine,
                  const SweepLimits& limits);

}  // namespace dfascale
