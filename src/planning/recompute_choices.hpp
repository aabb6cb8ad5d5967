// The ways in which the blocks of a rank may divide between keeping arrays and computing them
// again.
#pragma once

#include <cstdint>
#include <vector>

#include "model/recompute.hpp"
#include "train/layout.hpp"

namespace dfascale {

struct RecomputeChoice {
  std::int64_t bytes = 0;  ///< of the arrays of forward, in all slots, and of the sets shared
  RecomputeCost cost;      ///< of a token, in all of the rank's stages
  std::vector<Recompute> levels;  ///< by block, the rank's stages one behind the other
};

/// Choices of which none takes fewer bytes at no more cost than another, bytes ascending and cost
/// descending: the last costs least.  `stages` are those of one rank; what their layouts drop is
/// not looked at.  The same arguments give the same choices, bit by bit.
std::vector<RecomputeChoice> recompute_choices(const Training& training,
                                               const std::vector<StageLayout>& stages);

/// Bytes of the arrays of forward where all blocks keep everything.
std::int64_t kept_bytes(const Training& training, const std::vector<StageLayout>& stages);

/// What a stage computes again of a token, as its layout has it.
RecomputeCost cost_again(const Training& training, const StageLayout& stage);

}  // namespace dfascale
