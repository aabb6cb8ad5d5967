// The mean loss over a validation set: what a training run reports and what `dfascale eval`
// repeats.
#pragma once

#include "comm/comm.hpp"
#include "data/batches.hpp"
#include "train/learner.hpp"

namespace dfascale {

/// Nats per token over all sequences, dealt out over the ranks in micro-batches of the taker's
/// size.  Collective.  `batch` is working space.
double mean_loss(const Comm& comm, GradientTaker& taker, const ValidationSet& data, Batch& batch);

}  // namespace dfascale
