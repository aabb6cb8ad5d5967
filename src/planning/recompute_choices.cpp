#include "planning/recompute_choices.hpp"

#include <algorithm>

#include "credit/backward.hpp"
#include "credit/flops.hpp"

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
                       Recompute level) {
  if (!trains_block(t.rule, block, t.shape.layers)) return 0;
  constexpr BlockParts output = {BlockPart::y};
  if (parts_sent(t.rule, t.shape, block, level).empty())
    return stage.slots *
           array_bytes(
               t, (inner_parts | output).without(parts_dropped(t.rule, t.shape, block, level)));
  Arena counting;  // the statistics of norms go with what is sent
  counting.mat(t.sequences * t.shape.context, t.shape.width);
  return stage.slots * counting.bytes();
}

std::vector<Pass> passes_of(const StageLayout& stage) {
  return stage.splits_backward ? std::vector{Pass::input, Pass::weights} : std::vector{Pass::all};
}

/// FLOP of a token in a block, and in a pass over it: beside them transfers cost nothing.
StageFlops block_flops(const Training& t, std::int64_t block) {
  return flops_per_token(t.shape, t.rule, StageRange{block, block + 1, false, false});
}
double flops_of_pass(const StageFlops& block, Pass pass) {
  return (pass == Pass::weights ? 0 : block.input_gradients) +
         (pass == Pass::input ? 0 : block.weight_gradients);
}

/// What a block does not keep.
struct Lacking {
  BlockParts dropped, sent;
};

/// In a pass over a block.
RecomputeCost pass_cost(const Training& t, const StageLayout& stage, std::int64_t block,
                        const Lacking& lacking, Pass pass) {
  if (pass != Pass::weights && learns_at_once(stage.range, stage.slots, block)) return {};
  const BlockParts wanted = parts_read(t.rule, t.shape, block, pass);
  RecomputeCost cost = cost_of(parts_again(lacking.dropped, wanted), t.shape, t.optim.precision);
  if (!lacking.sent.empty())
    cost += cost_of_fetch(lacking.sent, t.shape, t.optim.precision, t.elsewhere.speed,
                          flops_of_pass(block_flops(t, block), pass));
  return cost;
}

RecomputeCost block_cost(const Training& t, const StageLayout& stage, std::int64_t block,
                         const Lacking& lacking) {
  RecomputeCost cost;
  for (const Pass pass : passes_of(stage)) cost += pass_cost(t, stage, block, lacking, pass);
  const bool is_asked_for =
      stage.splits_backward || !learns_at_once(stage.range, stage.slots, block);
  if (!lacking.sent.empty() && is_asked_for)
    cost += cost_of_save(lacking.sent, t.shape, t.optim.precision, t.elsewhere.speed,
                         block_flops(t, block).forward);
  return cost;
}

/// Of the sets that the blocks of each stage share, and of the buffers of those that send.
std::int64_t shared_bytes(const Training& t, std::vector<StageLayout> stages,
                          const std::vector<Recompute>& levels) {
  std::int64_t bytes = 0;
  auto level = levels.begin();
  for (StageLayout& stage : stages) {
    stage.dropped.clear();
    BlockParts sent;
    std::int64_t buffers = 0;
    for (std::int64_t l = stage.range.first; l < stage.range.end; ++l, ++level) {
      stage.dropped.push_back(parts_dropped(t.rule, t.shape, l, *level));
      const BlockParts more = parts_sent(t.rule, t.shape, l, *level);
      if (more == sent || more.empty()) continue;
      sent = more;
      buffers =
          std::max(buffers, offload_buffer_bytes(t.shape, t.sequences, t.optim.precision, sent));
    }
    bytes += buffers + array_bytes(t, shared_parts(t.rule, stage, t.shape.layers));
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

/// What a block may do: any level up to `most`, and send what it would keep.
struct Means {
  Recompute most;
  enum class Store { none, open } store;

  bool allow(Recompute level) const {
    return level == Recompute::offloaded ? store == Store::open : level <= most;
  }
};

/// Each choice, with one more block at each level that there is.
std::vector<RecomputeChoice> with_block(const std::vector<RecomputeChoice>& choices,
                                        const Training& t, const StageLayout& stage,
                                        std::int64_t block, const Means& means) {
  std::vector<RecomputeChoice> longer;
  const bool learns = trains_block(t.rule, block, t.shape.layers);
  for (const RecomputeLevel& facts : recompute_levels) {
    if (learns ? !means.allow(facts.level) : facts.level != Recompute::nothing) continue;
    const std::int64_t bytes = own_bytes(t, stage, block, facts.level);
    const RecomputeCost cost = block_cost(t, stage, block,
                                          {parts_dropped(t.rule, t.shape, block, facts.level),
                                           parts_sent(t.rule, t.shape, block, facts.level)});
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
  const auto add = [&](const Means& means) {
    std::vector<RecomputeChoice> choices(1);
    for (const StageLayout& stage : stages)
      for (std::int64_t l = stage.range.first; l < stage.range.end; ++l)
        choices = with_block(choices, training, stage, l, means);
    for (RecomputeChoice& choice : choices) {
      choice.bytes += shared_bytes(training, stages, choice.levels);
      all.push_back(std::move(choice));
    }
  };
  // A higher level makes the shared set larger for all, and the first block that sends takes the
  // buffers for all: each by itself.
  for (const RecomputeLevel& facts : recompute_levels) {
    if (facts.level == Recompute::offloaded) continue;
    add({facts.level, Means::Store::none});
    if (training.elsewhere.speed.known()) add({facts.level, Means::Store::open});
  }
  return best_of(std::move(all));
}

const RecomputeChoice& cheapest_within(const std::vector<RecomputeChoice>& choices,
                                       std::int64_t bytes) {
  const auto found =
      std::find_if(choices.rbegin(), choices.rend(),
                   [&](const RecomputeChoice& choice) { return choice.bytes <= bytes; });
  return found == choices.rend() ? choices.front() : *found;
}

void deal_out(const RecomputeChoice& choice, const std::vector<std::size_t>& stages,
              const std::vector<StageRange>& ranges, Recomputation& into) {
  auto level = choice.levels.begin();
  for (const std::size_t s : stages) {
    into.levels[s].assign(level, level + ranges[s].blocks());
    level += ranges[s].blocks();
  }
}

std::int64_t bytes_with(const Training& training, const std::vector<StageLayout>& stages,
                        const std::vector<Recompute>& levels) {
  std::int64_t bytes = shared_bytes(training, stages, levels);
  auto level = levels.begin();
  for (const StageLayout& stage : stages)
    for (std::int64_t l = stage.range.first; l < stage.range.end; ++l)
      bytes += own_bytes(training, stage, l, *level++);
  return bytes;
}

namespace {

std::vector<Recompute> all_at(const std::vector<StageLayout>& stages, Recompute level) {
  std::vector<Recompute> levels;
  for (const StageLayout& stage : stages)
    levels.insert(levels.end(), static_cast<std::size_t>(stage.range.blocks()), level);
  return levels;
}

}  // namespace

std::int64_t kept_bytes(const Training& training, const std::vector<StageLayout>& stages) {
  return bytes_with(training, stages, all_at(stages, Recompute::nothing));
}

std::int64_t least_bytes(const Training& training, const std::vector<StageLayout>& stages) {
  std::int64_t least = kept_bytes(training, stages);
  for (const RecomputeLevel& facts : recompute_levels)
    if (facts.level != Recompute::offloaded || training.elsewhere.speed.known())
      least = std::min(least, bytes_with(training, stages, all_at(stages, facts.level)));
  return least;
}

RecomputeCost cost_again(const Training& training, const StageLayout& stage) {
  RecomputeCost sum;
  for (std::int64_t l = stage.range.first; l < stage.range.end; ++l)
    sum += block_cost(training, stage, l, {stage.dropped_by(l), stage.sent_by(l)});
  return sum;
}

RecomputeCost cost_again(const Training& training, const StageLayout& stage, Pass pass) {
  RecomputeCost sum;
  for (std::int64_t l = stage.range.first; l < stage.range.end; ++l)
    sum += pass_cost(training, stage, l, {stage.dropped_by(l), stage.sent_by(l)}, pass);
  return sum;
}

}  // namespace dfascale
