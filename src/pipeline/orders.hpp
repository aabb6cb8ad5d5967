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
Order interleaved_order(std::int32_t ranks, std::int32_t micro_batches,
                        std::int32_t virtual_stages);
/// Forwards only, for ranks that hold a stage, or several in turn or in a V.
Order forward_order(std::int32_t ranks, std::int32_t micro_batches,
                    const std::vector<std::int32_t>& rank_of);

/// Backward split into input and weight gradients: each rank takes what is ready, input gradients
/// first, forwards within the limit of activations it holds, weight gradients when nothing else can
/// be done.  `limit` counts stages' activations on a rank.
Order zero_bubble_order(std::int32_t ranks, std::int32_t micro_batches,
                        const std::vector<std::int32_t>& rank_of, std::int32_t limit);

}  // namespace dfascale
