// A model at its start that learns from made-up tokens: what benches time, without a corpus.
#pragma once

#include <cstdint>

#include "comm/comm.hpp"
#include "data/batches.hpp"
#include "deck/settings.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale {

class MadeUpSteps {
 public:
  /// Collective.  Only the model, rule, optim and parallel parts of the settings matter;
  /// `training` is theirs, and says what is computed again.
  MadeUpSteps(const Comm& comm, const Device& on, Gemm& gemm, const Settings& settings,
              const Training& training);
  /// One update; wall seconds, the slowest rank's.  Collective.
  double step();

 private:
  const Comm& comm_;
  const Device& on_;
  const Settings& settings_;
  ParallelLearner model_;
  Batch batch_;
  std::int64_t steps_ = 0;
};

}  // namespace dfascale
