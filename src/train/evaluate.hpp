// The mean loss over a validation set: what a training run reports and what `dfascale eval`
// repeats.
#pragma once

#include "comm/comm.hpp"
#include "data/batches.hpp"
#include "train/learning_stage.hpp"

namespace dfascale {

/// A replica's micro-batches of a validation set.
struct ValidationShare {
  std::int64_t micro_batches;
  TokenSource tokens;
};

/// Deals the sequences out over replicas in micro-batches of `sequences`; the last one is filled up
/// with zeros that do not count.  `data` is referred to.
ValidationShare validation_share(const ValidationSet& data, std::int64_t replica,
                                 std::int64_t replicas, std::int64_t sequences);

/// Nats per token over all sequences, by a whole model on every rank of comm.  Collective.
double mean_loss(const Comm& comm, GradientTaker& taker, const ValidationSet& data);

}  // namespace dfascale
