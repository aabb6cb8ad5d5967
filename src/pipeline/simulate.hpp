// What a plan costs: a step's time, where it goes, and what is sent, by running the plan on paper.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/execute.hpp"
#include "pipeline/plan.hpp"

namespace dfascale {

/// What a plan is timed with.
struct Workload {
  std::vector<StageTimes> times;  ///< by stage
  MessageBytes bytes = {};
  Network network = {};
};

/// A rank's seconds in a step of many.
struct RankShare {
  double compute = 0;        ///< forward, backward, update
  double communication = 0;  ///< not hidden by computing
  double idle = 0;
};

/// Bytes from one rank to another in a step.
struct LinkTraffic {
  std::int32_t from, to;
  double bytes;
};

struct Simulation {
  double single = 0;  ///< seconds from an idle pipeline's first action to the last rank's end
  double step = 0;    ///< seconds of a step when many follow each other
  std::vector<RankShare> ranks;
  std::vector<LinkTraffic> traffic;      ///< between different ranks
  std::vector<Execution::Event> events;  ///< of the first steps, if asked for

  /// step = mean compute + imbalance + communication + bubble:
  double mean_compute() const;   ///< of all ranks
  double imbalance() const;      ///< what the busiest rank computes longer than the mean
  double communication() const;  ///< what the busiest rank waits for messages and sums
  double bubble() const;         ///< the rest: even the busiest rank has nothing to do
  std::size_t busiest() const;   ///< rank
  double bytes_sent() const;
};

struct SimulationOptions {
  /// The second half of them is the steady state.
  std::int32_t steps = 6;
  std::int32_t kept_steps = 0;  ///< whose events are kept
};

/// Expects a plan that rehearse() has passed, and its slots.
Simulation simulate(const Plan& plan, const std::vector<std::int32_t>& slots,
                    const Workload& workload, const SimulationOptions& options = {});

}  // namespace dfascale
