// What each rank computes in which order: rows of forwards and backwards, without messages.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/plan.hpp"

namespace dfascale {

/// A schedule in the making.
struct Order {
  std::int32_t ranks, micro_batches;
  std::vector<std::int32_t> rank_of;      ///< by stage
  std::vector<std::vector<Action>> rows;  ///< by rank
};

Order gpipe_order(std::int32_t ranks, std::int32_t micro_batches);
/// `ahead` forwards before the first backward, by rank; then a backward and a forward in turn.
Order alternating_order(const std::vector<std::int32_t>& ahead, std::int32_t micro_batches);
/// Stages in turn on the ranks: stage s on rank s mod p.
Order interleaved_order(std::int32_t ranks, std::int32_t micro_batches,
                        std::int32_t virtual_stages);

/// Forwards only, for ranks that hold a stage, or several in turn or in a V.
Order forward_order(std::int32_t ranks, std::int32_t micro_batches,
                    const std::vector<std::int32_t>& rank_of);

/// Backward in halves on one stage a rank.  Rank r has at most `ahead[r]` micro-batches between
/// forward and input gradient, and holds at most `limit` between forward and weight gradient.
Order zero_bubble_order(const std::vector<std::int32_t>& ahead, std::int32_t limit,
                        std::int32_t micro_batches);
/// The same with two stages a rank, down the ranks and up again, that hold at most `limit`
/// together.
Order zero_bubble_v_order(std::int32_t ranks, std::int32_t limit, std::int32_t micro_batches);

}  // namespace dfascale
