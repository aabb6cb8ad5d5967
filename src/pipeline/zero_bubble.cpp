// Orders in which weight gradients fill the gaps: what a rank can do at a time is chosen greedily,
// with all computations taking one unit (Qi et al. 2023, "Zero Bubble Pipeline Parallelism", and
// 2024, "Pipeline Parallelism with Controllable Memory", have the idea and the memory limits).
#include <algorithm>
#include <limits>
#include <numeric>
#include <queue>

#include "pipeline/orders.hpp"

namespace dfascale {
namespace {

class ZeroBubble {
 public:
  /// `ahead` by stage, `limit` by rank.
  ZeroBubble(const std::vector<std::int32_t>& rank_of, std::int32_t ranks,
             std::int32_t micro_batches, const std::vector<std::int32_t>& ahead,
             std::int32_t limit);
  Order schedule();

 private:
  struct Stage {
    std::int32_t forwards = 0, inputs = 0, weights = 0;  ///< micro-batches done so far
    std::int32_t ahead;
  };
  struct Rank {
    std::vector<std::int32_t> stages;  ///< ascending
    std::int32_t held = 0;             ///< micro-batches between forward and weight gradient
    std::int32_t last_input = -1;      ///< whose turn it is not, of two stages
    std::queue<std::int32_t> weights;  ///< stages whose weight gradients are due, oldest first
  };
  static constexpr Action nothing{Op::forward, -1, -1, -1};

  Action choose(const Rank& rank) const;
  std::int32_t next_forward(const Rank& rank) const;
  std::int32_t next_input(const Rank& rank) const;
  bool has_input(std::int32_t s) const;
  bool has_gradient(std::int32_t s) const;
  void take(const Action& action);
  const Stage& at(std::int32_t s) const { return stages_[static_cast<std::size_t>(s)]; }

  std::int32_t top_, limit_;
  Order order_;
  std::vector<Stage> stages_;
  std::vector<Rank> ranks_;
};

ZeroBubble::ZeroBubble(const std::vector<std::int32_t>& rank_of, std::int32_t ranks,
                       std::int32_t micro_batches, const std::vector<std::int32_t>& ahead,
                       std::int32_t limit)
    : top_(static_cast<std::int32_t>(rank_of.size()) - 1),
      limit_(limit),
      order_{ranks, micro_batches, rank_of, {}},
      ranks_(static_cast<std::size_t>(ranks)) {
  order_.rows.resize(static_cast<std::size_t>(ranks));
  for (std::int32_t s = 0; s <= top_; ++s) {
    stages_.push_back({.ahead = ahead[static_cast<std::size_t>(s)]});
    ranks_[static_cast<std::size_t>(rank_of[static_cast<std::size_t>(s)])].stages.push_back(s);
  }
}

bool ZeroBubble::has_input(std::int32_t s) const {
  const std::int32_t m = at(s).forwards;
  return m < order_.micro_batches && at(s).forwards - at(s).inputs < at(s).ahead &&
         (s == 0 || at(s - 1).forwards > m);
}

bool ZeroBubble::has_gradient(std::int32_t s) const {
  const std::int32_t m = at(s).inputs;
  return m < order_.micro_batches && (s == top_ ? at(s).forwards > m : at(s + 1).inputs > m);
}

/// The upper of two stages, if it can: its micro-batches leave sooner.  -1: none can.
std::int32_t ZeroBubble::next_forward(const Rank& rank) const {
  const auto found = std::find_if(rank.stages.rbegin(), rank.stages.rend(),
                                  [&](std::int32_t s) { return has_input(s); });
  return found == rank.stages.rend() ? -1 : *found;
}

/// The rank's stages in turn, as far as they can; -1: none can.
std::int32_t ZeroBubble::next_input(const Rank& rank) const {
  std::int32_t found = -1;
  for (const std::int32_t s : rank.stages)
    if (has_gradient(s) && (found < 0 || found == rank.last_input)) found = s;
  return found;
}

/// Forwards first, since they keep the ranks above busy; then input gradients, for those below;
/// weight gradients when nothing else can be done, or when only their memory keeps one of two
/// stages from going forward.
Action ZeroBubble::choose(const Rank& rank) const {
  const std::int32_t forward = next_forward(rank);
  const bool has_room = rank.held < limit_;
  if (forward >= 0 && has_room) return {Op::forward, forward, at(forward).forwards, -1};
  const bool wants_room = rank.stages.size() > 1 && forward >= 0;
  const std::int32_t input = next_input(rank);
  if (input >= 0 && (!wants_room || rank.weights.empty()))
    return {Op::backward_input, input, at(input).inputs, -1};
  if (rank.weights.empty()) return nothing;
  return {Op::backward_weight, rank.weights.front(), at(rank.weights.front()).weights, -1};
}

void ZeroBubble::take(const Action& action) {
  const auto r = static_cast<std::size_t>(order_.rank_of[static_cast<std::size_t>(action.stage)]);
  Stage& stage = stages_[static_cast<std::size_t>(action.stage)];
  Rank& rank = ranks_[r];
  order_.rows[r].push_back(action);
  if (action.op == Op::forward) {
    ++stage.forwards;
    ++rank.held;
  } else if (action.op == Op::backward_input) {
    ++stage.inputs;
    rank.last_input = action.stage;
    rank.weights.push(action.stage);
  } else {
    ++stage.weights;
    --rank.held;
    rank.weights.pop();
  }
}

Order ZeroBubble::schedule() {
  std::vector<Action> now = {nothing};
  // What ends in one unit is seen by others from the next on.
  while (!now.empty()) {
    now.clear();
    for (const Rank& rank : ranks_)
      if (const Action next = choose(rank); next.stage >= 0) now.push_back(next);
    for (const Action& action : now) take(action);
  }
  return std::move(order_);
}

}  // namespace

Order zero_bubble_order(const std::vector<std::int32_t>& ahead, std::int32_t limit,
                        std::int32_t micro_batches) {
  std::vector<std::int32_t> rank_of(ahead.size());
  std::iota(rank_of.begin(), rank_of.end(), 0);
  return ZeroBubble(rank_of, static_cast<std::int32_t>(ahead.size()), micro_batches, ahead, limit)
      .schedule();
}

Order zero_bubble_v_order(std::int32_t ranks, std::int32_t limit, std::int32_t micro_batches) {
  std::vector<std::int32_t> rank_of(2 * static_cast<std::size_t>(ranks));
  std::iota(rank_of.begin(), rank_of.begin() + ranks, 0);
  std::iota(rank_of.rbegin(), rank_of.rbegin() + ranks, 0);
  const std::vector<std::int32_t> ahead(rank_of.size(), std::numeric_limits<std::int32_t>::max());
  return ZeroBubble(rank_of, ranks, micro_batches, ahead, limit).schedule();
}

}  // namespace dfascale
