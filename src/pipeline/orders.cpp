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
/// from the top.  A last group that is not full is laid out as if it were: what is left out of an
/// order that works leaves an order that works.
Order interleaved_order(std::int32_t ranks, std::int32_t micro_batches,
                        std::int32_t virtual_stages) {
  Order order = empty_order(ranks, micro_batches, virtual_stages);
  const std::int32_t groups = (micro_batches + ranks - 1) / ranks;
  for (std::int32_t r = 0; r < ranks; ++r) {
    std::vector<Action> forwards, backwards;
    for (std::int32_t first = 0; first < groups * ranks; first += ranks)
      for (std::int32_t c = 0; c < virtual_stages; ++c)
        for (std::int32_t m = first; m < first + ranks; ++m) {
          forwards.push_back(compute(Op::forward, c * ranks + r, m));
          backwards.push_back(compute(Op::backward, (virtual_stages - 1 - c) * ranks + r, m));
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
    std::erase_if(row, [&](const Action& a) { return a.micro_batch >= micro_batches; });
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

}  // namespace dfascale
