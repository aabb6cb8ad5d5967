// dfascale bench schedule: the engine and its messages on this machine, computing replaced by
// waiting, so that a pipeline of many stages can be measured where there are few cores.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "deck/settings.hpp"

namespace dfascale {

struct ScheduleBenchOptions {
  std::vector<std::string> schedules;  ///< empty: all
  std::int64_t micro_batches = 16, in_flight = 0, virtual_stages = 2, steps = 20;
  double forward = 0.02, input = 0.02, weight = 0.02;  ///< seconds of a micro-batch on a rank
  std::int64_t message_bytes = 65536;
  Clip clip = Clip::block;
};

/// One schedule under one rule, seconds of a step in the steady state.
struct ScheduleTimes {
  std::string schedule, rule;
  std::int64_t in_flight;  ///< of unlocked; 0 elsewhere
  double compute, measured, simulated;
  std::optional<double> idle_theory;
  double most_in_memory;       ///< activations of micro-batches on a rank, in whole ranks'
  double overhead_per_action;  ///< the engine's own, of the slowest rank
  double bytes_sent;           ///< all ranks, in a step
  double idle_measured() const { return measured - compute; }
  double idle_simulated() const { return simulated - compute; }
};

/// Collective: the ranks of `world` are the pipeline's.
std::vector<ScheduleTimes> time_schedules(const Comm& world, const ScheduleBenchOptions& options);

}  // namespace dfascale
