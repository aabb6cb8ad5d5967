// Proof that a plan works before anything runs: every action once and in order, no deadlock, with
// the fewest slots of activations.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/plan.hpp"

namespace dfascale {

/// Every action that follows from the plan's roles and ties, once, on its stage's rank, after what
/// it needs; messages of a kind in the same order on both ends.  Throws std::logic_error with a
/// picture of the row, the action in brackets, where that is not so.
void check_actions(const Plan& plan);

struct Rehearsal {
  /// By stage: micro-batches under way at once, which the engine allocates memory for.  A message
  /// counts as received only when its receiver takes it, and its sender's slot is not free before.
  std::vector<std::int32_t> slots;
};

/// Checks the actions, then takes `steps` steps on paper, all computations equally long: finds how
/// many slots are in use when nobody waits for one, and that as many are enough.  Throws
/// std::logic_error, with a picture of every stuck row, where ranks wait for each other for ever.
Rehearsal rehearse(const Plan& plan, std::int32_t steps = 2);

/// By stage: micro-batches between their first and their last action, by the rows alone: quickly
/// found, and never more than what rehearse() finds.
std::vector<std::int32_t> least_slots(const Plan& plan);

}  // namespace dfascale
