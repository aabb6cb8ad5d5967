#include "credit/backward.hpp"

#include "credit/feedback.hpp"

namespace dfascale {
namespace {

/// Where the signal at a block's output comes from: the last block gets its true gradient under
/// every rule.
Credit credit_of(const Rule& rule, std::int64_t block, std::int64_t layers) {
  return block == layers - 1 ? Credit::chain : rule.inner;
}

/// The derivative in the place of f': a rule's own only where it feeds back.
Derivative derivative_of(const Rule& rule, std::int64_t block, std::int64_t layers) {
  return credit_of(rule, block, layers) == Credit::direct ? rule.derivative : Derivative::exact;
}

/// One block that learns; `below` is where the gradient at its input goes.
void learn_block(const Stage& s, const Slot& slot, Pass pass, Into weights, std::int64_t l) {
  const std::int64_t L = s.shape.layers;
  const auto i = static_cast<std::size_t>(l - s.range.first);
  const Block& block = slot.blocks[i];
  const Mat below = passes_down(s.rule, l, L) ? slot.signals[i] : Mat{};
  const Credit credit = credit_of(s.rule, l, L);
  const bool is_fresh = pass != Pass::weights &&
                        learns_at_once(s.range, static_cast<std::int64_t>(s.slots.size()), l);
  if (!is_fresh) block.recompute(s.on, s.gemm, parts_read(s.rule, s.shape, l, pass));
  const Learning how = {.pass = pass,
                        .residual = credit == Credit::direct ? s.rule.residual : Residual::vanilla,
                        .derivative = derivative_of(s.rule, l, L),
                        .weights = weights};
  if (learns_by_layer(s.rule, l, L)) return block.learn_layers(s.on, s.gemm, how, slot.fed_back);
  const ConstStored dy = credit == Credit::chain ? Stored(slot.signals[i + 1]) : slot.fed_back;
  block.learn(s.on, s.gemm, how, dy, below);
}

}  // namespace

BlockParts parts_read(const Rule& rule, const Shape& shape, std::int64_t block, Pass pass) {
  const std::int64_t L = shape.layers;
  if (!trains_block(rule, block, L)) return {};
  const BlockPart slope = slope_source(shape.activation, derivative_of(rule, block, L));
  if (learns_by_layer(rule, block, L)) return read_by_learn_layers(slope);
  return read_by_learn(
      pass, passes_down(rule, block, L) ? InputGradient::wanted : InputGradient::spared, slope);
}

BlockParts parts_dropped(const Rule& rule, const Shape& shape, std::int64_t block,
                         Recompute level) {
  if (!trains_block(rule, block, shape.layers)) return {};
  const BlockParts read = parts_read(rule, shape, block, Pass::all);
  BlockParts dropped = facts_of(level).dropped;
  if (!read.has(BlockPart::a) && !dropped.has(BlockPart::a))
    dropped = dropped.without({BlockPart::z});
  return dropped | inner_parts.without(read);
}

BlockParts parts_sent(const Rule& rule, const Shape& shape, std::int64_t block, Recompute level) {
  if (!trains_block(rule, block, shape.layers)) return {};
  return facts_of(level).sent.without(parts_dropped(rule, shape, block, level));
}

void learn_head(Stage& s, const Slot& slot, float scale, Into weights) {
  const bool feeds_back = s.rule.inner == Credit::direct && s.shape.layers > 1;
  const LogitsTap tap = feeds_back && s.rule.error == ErrorTap::logits
                            ? LogitsTap{s.feedback->matrix(), slot.fed_back}
                            : LogitsTap{};
  s.head.learn(s.on, s.gemm, slot.output(), slot.micro_batch.targets(), scale, weights, tap,
               slot.signals.back());
  if (feeds_back && s.rule.error == ErrorTap::preprojector)
    s.feedback->apply(s.on, s.gemm, slot.fed_back, s.head.error);
}

void backward(Stage& s, std::int64_t at, Pass pass, const std::function<void(std::int64_t)>& done) {
  const Slot& slot = s.slots[static_cast<std::size_t>(at)];
  s.offload.before_learning(at);
  for (std::int64_t l = s.range.end - 1; l >= s.range.first; --l) {
    if (trains_block(s.rule, l, s.shape.layers)) {
      s.offload.before_learning(at, l - s.range.first);
      const Into weights = pass == Pass::input ? Into::add : s.fresh.first_into(l);
      s.replay({"backward",
                {at, l, static_cast<std::int64_t>(pass), static_cast<std::int64_t>(weights)}},
               [&] { learn_block(s, slot, pass, weights, l); });
    }
    if (done && pass != Pass::input) done(l);
  }
  if (!s.range.has_embedding || pass == Pass::weights) return;
  // Not a passage: how many tokens differ, another number for each micro-batch, is in its launch.
  if (trains_embedding(s.rule, s.shape.layers))
    s.learn_embedding(slot, s.rule.embedding == EmbeddingCredit::direct
                                ? slot.fed_back.cols_from(0, s.shape.width)
                                : Stored(slot.signals.front()));
  if (done) done(-1);
}

}  // namespace dfascale
