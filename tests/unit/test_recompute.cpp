// What blocks compute again, or send elsewhere, instead of keeping it: which parts follow from
// which, that no bit of a training changes, and what memory it saves.
#include <gtest/gtest.h>

#include "tests/support/rule_names.hpp"
#include "tests/support/small_model.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t sequences = 3, layers = 4;

Shape shape_with(Activation activation) { return {layers, 16, 2, 6, 19, true, activation}; }

TEST(BlockParts, AreComputedWithAllThatTheyNeedAndNoMore) {
  using enum BlockPart;
  EXPECT_EQ(parts_again({}, inner_parts), BlockParts{});
  EXPECT_EQ(parts_again(inner_parts, {}), BlockParts{});
  EXPECT_EQ(parts_again(inner_parts, {u1}), BlockParts{u1});
  EXPECT_EQ(parts_again(inner_parts, {u2}), (BlockParts{u1, qkv, attended, h, u2}));
  EXPECT_EQ(parts_again({z}, {a, z}), BlockParts{z});
  EXPECT_EQ(parts_again({u2, a, z}, {z}), (BlockParts{u2, a, z}));
  EXPECT_EQ(parts_again({u1, qkv}, {z}), BlockParts{});
}

TEST(BlockParts, OfEachLevelContainThoseOfTheOneBeforeAndNeverFc2) {
  BlockParts before;
  for (const RecomputeLevel& facts : recompute_levels) {
    EXPECT_EQ(&facts_of(facts.level), &facts);
    if (facts.level == Recompute::offloaded) continue;
    EXPECT_TRUE(facts.sent.empty()) << facts.name;
    EXPECT_EQ(before.without(facts.dropped), BlockParts{}) << facts.name;
    EXPECT_FALSE(facts.dropped.has(BlockPart::y)) << facts.name;
    before = facts.dropped;
  }
}

/// Layer-wise feedback reads no q, k, v; without an input gradient nobody reads LN1's output.
TEST(BlockParts, ThatARuleNeverReadsAreDroppedAndNotComputed) {
  const Rule& by_layer = preset("dfa-canonical");
  const BlockParts dropped = parts_dropped(by_layer, 1, layers, Recompute::elementwise);
  EXPECT_TRUE(dropped.has(BlockPart::qkv));
  EXPECT_EQ(parts_again(dropped, parts_read(by_layer, 1, layers, Pass::all)),
            (BlockParts{BlockPart::u1, BlockPart::u2, BlockPart::z}));
  const Rule& by_block = preset("dfa");
  for (const std::int64_t block : {0, 1}) {
    const BlockParts again = parts_again(parts_dropped(by_block, block, layers, Recompute::fc1),
                                         parts_read(by_block, block, layers, Pass::all));
    EXPECT_EQ(again.has(BlockPart::u1), block == 0)
        << "its embedding asks for block 0's input gradient";
  }
  EXPECT_EQ(parts_dropped(preset("shallow"), 0, layers, Recompute::everything), BlockParts{});
  EXPECT_EQ(parts_read(preset("shallow"), 0, layers, Pass::all), BlockParts{});
}

/// What is offloaded is all that is kept otherwise; no product is needed for the rest.
TEST(BlockParts, ThatAreSentAreReadAndNotDropped) {
  using enum BlockPart;
  EXPECT_EQ(parts_sent(preset("bp"), 1, layers, Recompute::offloaded),
            (BlockParts{qkv, attended, h, a}));
  EXPECT_EQ(parts_sent(preset("dfa-canonical"), 1, layers, Recompute::offloaded),
            (BlockParts{attended, h, a}))
      << "layer-wise feedback reads no q, k, v";
  EXPECT_EQ(parts_sent(preset("shallow"), 0, layers, Recompute::offloaded), BlockParts{});
  for (const char* name : {"bp", "dfa", "dfa-canonical"})
    for (const std::int64_t block : {0, 1, 3}) {
      const BlockParts dropped = parts_dropped(preset(name), block, layers, Recompute::offloaded);
      const BlockParts again =
          parts_again(dropped, parts_read(preset(name), block, layers, Pass::all));
      EXPECT_EQ(again.without({u1, u2, z}), BlockParts{}) << name;
      EXPECT_EQ(dropped | parts_sent(preset(name), block, layers, Recompute::offloaded),
                inner_parts)
          << name;
    }
}

/// A pass over a block whose backward is taken apart computes what it reads itself.
TEST(BlockParts, ThatAPassReadsAreThoseOfBothHalves) {
  using enum BlockPart;
  const Rule& bp = preset("bp");
  const BlockParts input = parts_read(bp, 1, layers, Pass::input),
                   weights = parts_read(bp, 1, layers, Pass::weights);
  EXPECT_EQ(input, (BlockParts{qkv, h, a}));
  EXPECT_EQ(weights, (BlockParts{u1, attended, u2, z}));
  EXPECT_EQ(input | weights, parts_read(bp, 1, layers, Pass::all));
}

// ---- bits

class Recomputed : public testing::TestWithParam<std::string> {};

/// All parameters after three steps.
std::vector<float> trained(const Rule& rule, Activation activation, Precision precision,
                           Recompute level) {
  OptimSettings optim = plain_adamw();
  optim.precision = precision;
  SmallModel model(shape_with(activation), rule, sequences, 0.15, optim, Products::library, level);
  std::vector<float> all;
  for (std::int64_t step = 1; step <= 3; ++step) {
    model.take_gradients();
    model.learner().update(step, 0.01);
    all.push_back(static_cast<float>(model.loss()));
  }
  for (const Parameter& p : model.learner().table().all()) {
    const std::vector<float> values = model.values(p);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

TEST_P(Recomputed, TrainingChangesNoBit) {
  const Rule& rule = preset(GetParam());
  for (const Activation activation : {Activation::relu, Activation::gelu, Activation::tanh})
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      const std::vector<float> kept = trained(rule, activation, precision, Recompute::nothing);
      for (const RecomputeLevel& facts : recompute_levels)
        EXPECT_EQ(trained(rule, activation, precision, facts.level) == kept, true)
            << facts.name << ", " << bytes_of(precision) << " bytes";
    }
}

INSTANTIATE_TEST_SUITE_P(Rules, Recomputed, all_rules(), rule_name);

// ---- memory

/// Every block of backpropagation keeps as many D of its 16 D numbers as the level says, and the
/// statistics of its norms, which an offloaded one sends along.
TEST(RecomputedMemory, IsWhatEachLevelKeeps) {
  const Shape small{2, 64, 4, 32, 200, true, Activation::relu};
  Shape large = small;
  large.layers = 12;
  const std::map<Recompute, std::int64_t> kept = {
      {Recompute::nothing, 16},    {Recompute::elementwise, 10}, {Recompute::fc1, 6},
      {Recompute::projections, 2}, {Recompute::everything, 1},   {Recompute::offloaded, 1}};
  const auto activations = [](const Shape& shape, Recompute level) {
    SmallModel model(shape, preset("bp"), 4, 0.02, plain_adamw(), Products::library, level);
    return model.learner().memory().back().bytes;
  };
  const std::int64_t tokens = 4 * small.context;
  for (const auto& [level, arrays] : kept) {
    const std::int64_t statistics = level == Recompute::offloaded ? 0 : 4;
    EXPECT_EQ(activations(large, level) - activations(small, level),
              10 * tokens * (arrays * small.width + statistics) * 4)
        << facts_of(level).name;
  }
}

}  // namespace
}  // namespace dfascale::test
