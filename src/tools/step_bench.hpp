// Training steps on made-up tokens, timed: what a deck costs on this machine, without a corpus.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "credit/flops.hpp"
#include "deck/settings.hpp"
#include "kernels/profile.hpp"
#include "train/peak.hpp"

namespace dfascale {

/// What was found for one rule.
struct StepTimes {
  std::string rule;
  Flops flops;                  ///< exact, per token
  std::int64_t step_tokens;     ///< of all ranks
  std::vector<double> seconds;  ///< of each timed step, ascending; the slowest rank's
  /// Processor time of a timed step, mean, of this rank's first thread: what the step takes of a
  /// core that others use as well.
  double processor_seconds;
  std::int64_t predicted_bytes, peak_resident_bytes;  ///< of this rank
  std::string recomputed;   ///< what is computed again for run.memory; empty: nothing
  double profiled_seconds;  ///< of the step that was taken apart
  std::map<std::string, Profile::Entry>
      operations;  ///< its parts; the rest is profiled_seconds less their sum

  double median() const;
  double mean() const;
  /// Below 1 where others used the core, or the rank waited for messages.
  double processor_share() const { return processor_seconds / mean(); }
  double tokens_per_second() const { return static_cast<double>(step_tokens) / median(); }
  double flops_per_second() const { return tokens_per_second() * flops.total(); }
};

/// One step to warm up, `steps` to time, one more to take apart.  Settings are resolved; only their
/// model, rule, optim and parallel parts, and run.memory, matter.  Collective.
StepTimes time_steps(const Comm& comm, const Device& on, Gemm& gemm, const Settings& settings,
                     std::int64_t steps);

}  // namespace dfascale
