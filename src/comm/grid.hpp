// The world as dp replicas of pp pipeline ranks.  Replicas of one stage are neighbours, since they
// exchange most: rank = place in the pipeline * dp + replica.
#pragma once

#include "comm/arrays.hpp"

namespace dfascale {

struct Grid {
  int dp, pp;
  int replica, place;  ///< this rank's: 0 .. dp - 1, 0 .. pp - 1
  Comm replicas;       ///< the ranks that hold the same stages
  Comm pipeline;       ///< the ranks that hold the same replica

  /// Collective; the world has dp * pp ranks.
  Grid(const Comm& world, int dp, int pp)
      : dp(dp),
        pp(pp),
        replica(world.rank() % dp),
        place(world.rank() / dp),
        replicas(world.split(place, replica)),
        pipeline(world.split(replica, place)) {}
};

/// What its ranks exchange in a step.
struct GridArrays {
  ArrayComm replicas;  ///< gradients, parameters
  ArrayComm pipeline;  ///< activations, gradients, errors
  ArrayComm ties;      ///< a matrix that two stages share: the pipeline, with messages of its own

  /// Collective.
  GridArrays(const Grid& grid, const Device& on, const std::vector<Route>& between_stages,
             const std::vector<Route>& between_ends)
      : replicas(grid.replicas, on),
        pipeline(grid.pipeline, on, between_stages),
        ties(grid.pipeline.duplicate(), on, between_ends) {}
};

}  // namespace dfascale
