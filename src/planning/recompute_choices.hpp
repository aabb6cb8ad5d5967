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

/// The one that costs least of those that take at most `bytes`; the one that takes least where none
/// does.
const RecomputeChoice& cheapest_within(const std::vector<RecomputeChoice>& choices,
                                       std::int64_t bytes);
/// Deals a choice's levels out to the stages that it is for, given by their numbers.
void deal_out(const RecomputeChoice& choice, const std::vector<std::size_t>& stages,
              const std::vector<StageRange>& ranges, Recomputation& into);

/// Bytes of the arrays of forward, and of what blocks share, where blocks have these levels (as in
/// RecomputeChoice); where all keep everything; where all have the one level that takes least.
std::int64_t bytes_with(const Training& training, const std::vector<StageLayout>& stages,
                        const std::vector<Recompute>& levels);
std::int64_t kept_bytes(const Training& training, const std::vector<StageLayout>& stages);
std::int64_t least_bytes(const Training& training, const std::vector<StageLayout>& stages);

/// What a stage computes again of a token, as its layout has it: in all its passes, or in one.
RecomputeCost cost_again(const Training& training, const StageLayout& stage);
RecomputeCost cost_again(const Training& training, const StageLayout& stage, Pass pass);

}  // namespace dfascale
