#include "pipeline/orders.hpp"

#include <algorithm>
#include <numeric>

namespace dfascale {
namespace {

Order empty_order(std::int32_t ranks, std::int32_t micro_batches, std::int32_t virtual_stages) {
  Order order{ranks, micro_batches, {}, {}};
  for (std::int32_t s = 0; s < ranks * virtual_stages; ++s) order.rank_of.push_back(s % ranks);
  order.rows.resize(static_cast<std::size_t>(ranks));
  return order;
}

Action compute(Op op, std::int32_t stage, std::int32_t micro_batch) {
  return {op, stage, micro_batch, -1};
}

}  // namespace

Order gpipe_order(std::int32_t ranks, std::int32_t micro_batches) {
  return alternating_order(
      std::vector<std::int32_t>(static_cast<std::size_t>(ranks), micro_batches), micro_batches);
}

Order alternating_order(const std::vector<std::int32_t>& ahead, std::int32_t micro_batches) {
  const auto ranks = static_cast<std::int32_t>(ahead.size());
  Order order = empty_order(ranks, micro_batches, 1);
  for (std::int32_t r = 0; r < ranks; ++r) {
    std::vector<Action>& row = order.rows[static_cast<std::size_t>(r)];
    const std::int32_t first = std::min(ahead[static_cast<std::size_t>(r)], micro_batches);
    for (std::int32_t m = 0; m < first; ++m) row.push_back(compute(Op::forward, r, m));
    for (std::int32_t m = 0; m < micro_batches; ++m) {
      row.push_back(compute(Op::backward, r, m));
      if (m + first < micro_batches) row.push_back(compute(Op::forward, r, m + first));
    }
  }
  return order;
}

/// Micro-batches go in groups of p through a rank's stages in turn; backwards likewise, the stages
/// from the top.
Order interleaved_order(std::int32_t ranks, std::int32_t micro_batches,
                        std::int32_t virtual_stages) {
  Order order = empty_order(ranks, micro_batches, virtual_stages);
  for (std::int32_t r = 0; r < ranks; ++r) {
    std::vector<Action> forwards, backwards;
    for (std::int32_t first = 0; first < micro_batches; first += ranks) {
      const std::int32_t end = std::min(first + ranks, micro_batches);
      for (std::int32_t c = 0; c < virtual_stages; ++c)
        for (std::int32_t m = first; m < end; ++m) {
          forwards.push_back(compute(Op::forward, c * ranks + r, m));
          backwards.push_back(compute(Op::backward, (virtual_stages - 1 - c) * ranks + r, m));
        }
    }
    const std::size_t ahead = std::min<std::size_t>(
        forwards.size(),
        static_cast<std::size_t>(2 * (ranks - 1 - r) + (virtual_stages - 1) * ranks + 1));
    std::vector<Action>& row = order.rows[static_cast<std::size_t>(r)];
    row.assign(forwards.begin(), forwards.begin() + static_cast<std::ptrdiff_t>(ahead));
    for (std::size_t i = 0; i < backwards.size(); ++i) {
      row.push_back(backwards[i]);
      if (i + ahead < forwards.size()) row.push_back(forwards[i + ahead]);
    }
  }
  return order;
}

/// Each stage takes a micro-batch one unit of time after the stage below; no two stages of a rank
/// want the same unit.  In a V a micro-batch begins every other unit, since it comes back; else
/// micro-batches go in groups of p through a rank's stages in turn.
Order forward_order(std::int32_t ranks, std::int32_t micro_batches,
                    const std::vector<std::int32_t>& rank_of) {
  const auto stages = static_cast<std::int32_t>(rank_of.size());
  const bool is_v = stages > ranks && rank_of.back() == 0 && ranks > 1;
  const auto unit = [&](const Action& a) {
    if (is_v) return a.stage + 2 * a.micro_batch;
    const std::int32_t group = a.micro_batch / ranks * (stages / ranks) + a.stage / ranks;
    return group * ranks + a.micro_batch % ranks;
  };
  Order order{ranks, micro_batches, rank_of, {}};
  order.rows.resize(static_cast<std::size_t>(ranks));
  for (std::int32_t s = 0; s < stages; ++s)
    for (std::int32_t m = 0; m < micro_batches; ++m)
      order.rows[static_cast<std::size_t>(rank_of[static_cast<std::size_t>(s)])].push_back(
          compute(Op::forward, s, m));
  for (std::vector<Action>& row : order.rows)
    std::stable_sort(row.begin(), row.end(),
                     [&](const Action& a, const Action& b) { return unit(a) < unit(b); });
  return order;
}

namespace {

/// A greedy scheduler in unit time: forward, input gradient and weight gradient take one each.
class ZeroBubble {
 public:
  ZeroBubble(std::int32_t ranks, std::int32_t micro_batches,
             const std::vector<std::int32_t>& rank_of, std::int32_t limit)
      : stages_(static_cast<std::int32_t>(rank_of.size())),
        M_(micro_batches),
        limit_(limit),
        order_{ranks, micro_batches, rank_of, {}},
        of_rank_(static_cast<std::size_t>(ranks)),
        held_(static_cast<std::size_t>(ranks), 0),
        done_(rank_of.size()) {
    order_.rows.resize(static_cast<std::size_t>(ranks));
    for (std::int32_t s = 0; s < stages_; ++s)
      of_rank_[static_cast<std::size_t>(rank_of[static_cast<std::size_t>(s)])].push_back(s);
  }

  Order schedule() {
    const std::int64_t all = std::int64_t{3} * stages_ * M_;
    std::int64_t taken = 0;
    while (taken < all) {
      // What ends now is seen by others from the next unit on.
      std::vector<Action> now;
      for (std::size_t r = 0; r < of_rank_.size(); ++r)
        if (const Action next = choose(r); next.stage >= 0) now.push_back(next);
      for (const Action& action : now) take(action);
      taken += static_cast<std::int64_t>(now.size());
      if (now.empty()) break;  // the limit is too small: rehearsal will say so
    }
    return std::move(order_);
  }

 private:
  /// Micro-batches of a stage done so far, of each kind.
  struct Done {
    std::int32_t forwards = 0, inputs = 0, weights = 0;
  };
  static constexpr Action nothing{Op::forward, -1, -1, -1};

  Action choose(std::size_t r) const {
    // Stages nearer the end first: their micro-batches have been under way longest.
    for (auto s = of_rank_[r].rbegin(); s != of_rank_[r].rend(); ++s)
      if (is_input_ready(*s)) return compute(Op::backward_input, *s, at(*s).inputs);
    for (auto s = of_rank_[r].rbegin(); s != of_rank_[r].rend(); ++s)
      if (is_forward_ready(*s, r)) return compute(Op::forward, *s, at(*s).forwards);
    for (auto s = of_rank_[r].rbegin(); s != of_rank_[r].rend(); ++s)
      if (at(*s).weights < at(*s).inputs) return compute(Op::backward_weight, *s, at(*s).weights);
    return nothing;
  }

  bool is_input_ready(std::int32_t s) const {
    const std::int32_t m = at(s).inputs;
    return m < M_ && (s == stages_ - 1 ? at(s).forwards > m : at(s + 1).inputs > m);
  }

  /// A micro-batch that begins on a rank must find room for the rank's later stages too.
  bool is_forward_ready(std::int32_t s, std::size_t r) const {
    const std::int32_t m = at(s).forwards;
    if (m >= M_ || (s > 0 && at(s - 1).forwards <= m)) return false;
    std::int32_t promised = 0;
    for (const std::int32_t later : of_rank_[r])
      if (later > s) promised += at(of_rank_[r].front()).forwards - at(later).forwards + 1;
    return held_[r] + 1 + promised <= limit_;
  }

  void take(const Action& action) {
    const auto s = static_cast<std::size_t>(action.stage);
    const auto r = static_cast<std::size_t>(order_.rank_of[s]);
    order_.rows[r].push_back(action);
    if (action.op == Op::forward) ++done_[s].forwards, ++held_[r];
    else if (action.op == Op::backward_input) ++done_[s].inputs;
    else ++done_[s].weights, --held_[r];
  }

  const Done& at(std::int32_t s) const { return done_[static_cast<std::size_t>(s)]; }

  std::int32_t stages_, M_, limit_;
  Order order_;
  std::vector<std::vector<std::int32_t>> of_rank_;  ///< stages of each rank, ascending
  std::vector<std::int32_t> held_;                  ///< activations of each rank
  std::vector<Done> done_;
};

}  // namespace

Order zero_bubble_order(std::int32_t ranks, std::int32_t micro_batches,
                        const std::vector<std::int32_t>& rank_of, std::int32_t limit) {
  return ZeroBubble(ranks, micro_batches, rank_of, limit).schedule();
}

}  // namespace dfascale
