#include "planning/recompute_choices.hpp"

#include <algorithm>

#include "credit/backward.hpp"

namespace dfascale {
namespace {

/// More choices than anybody can tell apart: neighbours differ by a thousandth of the arrays.
constexpr std::size_t most_choices = 1000;

std::int64_t array_bytes(const Training& t, BlockParts parts) {
  if (parts.empty()) return 0;
  Arena counting;
  BlockActivations::lay_out(counting, t.shape, t.sequences, t.optim.precision, parts, {});
  return counting.bytes();
}

/// Of a block's own arrays, in all slots.
std::int64_t own_bytes(const Training& t, const StageLayout& stage, std::int64_t block,
                       BlockParts dropped) {
  if (!trains_block(t.rule, block, t.shape.layers)) return 0;
  constexpr BlockParts all = inner_parts | BlockParts{BlockPart::y};
  return stage.slots * array_bytes(t, all.without(dropped));
}

RecomputeCost block_cost(const Training& t, const StageLayout& stage, std::int64_t block,
                         BlockParts dropped) {
  RecomputeCost cost;
  const auto add = [&](Pass pass) {
    if (pass != Pass::weights && learns_at_once(stage.range, stage.slots, block)) return;
    const BlockParts wanted = parts_read(t.rule, t.shape, block, pass);
    cost += cost_of(parts_again(dropped, wanted), t.shape, t.optim.precision);
  };
  if (stage.splits_backward) {
    add(Pass::input);
    add(Pass::weights);
  } else {
    add(Pass::all);
  }
  return cost;
}

/// Of the sets that the blocks of each stage share.
std::int64_t shared_bytes(const Training& t, std::vector<StageLayout> stages,
                          const std::vector<Recompute>& levels) {
  std::int64_t bytes = 0;
  auto level = levels.begin();
  for (StageLayout& stage : stages) {
    stage.dropped.clear();
    for (std::int64_t l = stage.range.first; l < stage.range.end; ++l)
      stage.dropped.push_back(parts_dropped(t.rule, t.shape, l, *level++));
    bytes += array_bytes(t, shared_parts(t.rule, stage, t.shape.layers));
  }
  return bytes;
}

/// Without those that others beat, thinned out where there are too many.
std::vector<RecomputeChoice> best_of(std::vector<RecomputeChoice> choices) {
  std::stable_sort(choices.begin(), choices.end(),
                   [](const RecomputeChoice& a, const RecomputeChoice& b) {
                     if (a.bytes != b.bytes) return a.bytes < b.bytes;
                     return a.cost.weighted() < b.cost.weighted();
                   });
  std::vector<RecomputeChoice> best;
  for (RecomputeChoice& choice : choices)
    if (best.empty() || choice.cost.weighted() < best.back().cost.weighted())
      best.push_back(std::move(choice));
  if (best.size() <= most_choices) return best;
  std::vector<RecomputeChoice> some;  // the ends among them
  for (std::size_t i = 0; i < most_choices; ++i)
    some.push_back(std::move(best[i * (best.size() - 1) / (most_choices - 1)]));
  return some;
}

/// Each choice, with one more block at each level up to `most`.
std::vector<RecomputeChoice> with_block(const std::vector<RecomputeChoice>& choices,
                                        const Training& t, const StageLayout& stage,
                                        std::int64_t block, Recompute most) {
  std::vector<RecomputeChoice> longer;
  for (const RecomputeLevel& facts : recompute_levels) {
    const bool learns = trains_block(t.rule, block, t.shape.layers);
    if (facts.level > (learns ? most : Recompute::nothing)) break;
    const BlockParts dropped = parts_dropped(t.rule, t.shape, block, facts.level);
    const std::int64_t bytes = own_bytes(t, stage, block, dropped);
    const RecomputeCost cost = block_cost(t, stage, block, dropped);
    for (const RecomputeChoice& choice : choices) {
      longer.push_back(choice);
      longer.back().bytes += bytes;
      longer.back().cost += cost;
      longer.back().levels.push_back(facts.level);
    }
  }
  return best_of(std::move(longer));
}

}  // namespace

std::vector<RecomputeChoice> recompute_choices(const Training& training,
                                               const std::vector<StageLayout>& stages) {
  std::vector<RecomputeChoice> all;
  // A higher level makes the shared set larger for all: each highest level by itself.
  for (const RecomputeLevel& facts : recompute_levels) {
    std::vector<RecomputeChoice> choices(1);
    for (const StageLayout& stage : stages)
      for (std::int64_t l = stage.range.first; l < stage.range.end; ++l)
        choices = with_block(choices, training, stage, l, facts.level);
    for (RecomputeChoice& choice : choices) {
      choice.bytes += shared_bytes(training, stages, choice.levels);
      all.push_back(std::move(choice));
    }
  }
  return best_of(std::move(all));
}

std::int64_t kept_bytes(const Training& training, const std::vector<StageLayout>& stages) {
  std::int64_t bytes = 0;
  std::vector<Recompute> levels;
  for (const StageLayout& stage : stages)
    for (std::int64_t l = stage.range.first; l < stage.range.end; ++l) {
      bytes += own_bytes(training, stage, l,
                         parts_dropped(training.rule, training.shape, l, Recompute::nothing));
      levels.push_back(Recompute::nothing);
    }
  return bytes + shared_bytes(training, stages, levels);
}

RecomputeCost cost_again(const Training& training, const StageLayout& stage) {
  RecomputeCost sum;
  for (std::int64_t l = stage.range.first; l < stage.range.end; ++l)
    sum += block_cost(training, stage, l, stage.dropped_by(l));
  return sum;
}

}  // namespace dfascale
