// The end-of-run table: where the time of each stage went.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "train/parallel_learner.hpp"

namespace dfascale {

/// Says it, mean seconds of a stage's replicas.  `beside` is what this rank spent outside its
/// steps, in which it spent `steps` of `total` seconds.  Collective.
void say_times(const Comm& world, const ParallelLearner& model,
               const std::vector<std::pair<std::string, double>>& beside, double steps,
               double total);

}  // namespace dfascale
