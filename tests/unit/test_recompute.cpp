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

constexpr std::array all_activations = {Activation::relu, Activation::gelu, Activation::tanh};

/// Layer-wise feedback reads no q, k, v; without an input gradient nobody reads LN1's output.
TEST(BlockParts, ThatARuleNeverReadsAreDroppedAndNotComputed) {
  const Shape shape = shape_with(Activation::gelu);
  const Rule& by_layer = preset("dfa-canonical");
  const BlockParts dropped = parts_dropped(by_layer, shape, 1, Recompute::elementwise);
  EXPECT_TRUE(dropped.has(BlockPart::qkv));
  EXPECT_EQ(parts_again(dropped, parts_read(by_layer, shape, 1, Pass::all)),
            (BlockParts{BlockPart::u1, BlockPart::u2, BlockPart::z}));
  const Rule& by_block = preset("dfa");
  for (const std::int64_t block : {0, 1}) {
    const BlockParts again = parts_again(parts_dropped(by_block, shape, block, Recompute::fc1),
                                         parts_read(by_block, shape, block, Pass::all));
    EXPECT_EQ(again.has(BlockPart::u1), block == 0)
        << "its embedding asks for block 0's input gradient";
  }
  EXPECT_EQ(parts_dropped(preset("shallow"), shape, 0, Recompute::everything), BlockParts{});
  EXPECT_EQ(parts_read(preset("shallow"), shape, 0, Pass::all), BlockParts{});
}

/// ReLU's derivative can be told from its value; that of the others, and DFA's in its place,
/// cannot.
TEST(BlockParts, KeepNoPreActivationWhereTheOutputTellsTheDerivative) {
  using enum BlockPart;
  const auto dropped = [](std::string_view rule, Activation activation, std::int64_t block) {
    return parts_dropped(preset(rule), shape_with(activation), block, Recompute::nothing);
  };
  EXPECT_EQ(dropped("bp", Activation::relu, 1), BlockParts{a});
  EXPECT_EQ(dropped("bp", Activation::gelu, 1), BlockParts{});
  EXPECT_EQ(dropped("bp", Activation::tanh, 1), BlockParts{});
  EXPECT_EQ(dropped("dfa-canonical", Activation::relu, 1), (BlockParts{qkv, a}));
  EXPECT_EQ(dropped("dfa", Activation::relu, 1), BlockParts{u1}) << "its derivative is tanh's";
  EXPECT_EQ(dropped("dfa", Activation::relu, layers - 1), (BlockParts{u1, a}));
}

TEST(BlockParts, KeptByTheLowestLevelAreEnough) {
  for (const Rule& rule : rules)
    for (const Activation activation : all_activations)
      for (std::int64_t block = 0; block < layers; ++block)
        for (const Pass pass : {Pass::all, Pass::input, Pass::weights}) {
          const Shape shape = shape_with(activation);
          EXPECT_EQ(parts_again(parts_dropped(rule, shape, block, Recompute::nothing),
                                parts_read(rule, shape, block, pass)),
                    BlockParts{})
              << rule.name << ", block " << block;
        }
}

/// z in the place of a: a level that drops z because a makes it cheap would compute fc1 for it.
TEST(BlockParts, OfTheElementwiseLevelNeedNoProduct) {
  for (const Rule& rule : rules)
    for (const Activation activation : all_activations)
      for (std::int64_t block = 0; block < layers; ++block) {
        const Shape shape = shape_with(activation);
        const BlockParts again =
            parts_again(parts_dropped(rule, shape, block, Recompute::elementwise),
                        parts_read(rule, shape, block, Pass::all));
        EXPECT_EQ(cost_of(again, shape, Precision::f32).flops, 0) << rule.name;
      }
}

/// What is offloaded is all that is kept otherwise; no product is needed for the rest.
TEST(BlockParts, ThatAreSentAreReadAndNotDropped) {
  using enum BlockPart;
  const auto sent = [](const char* rule, Activation activation, std::int64_t block) {
    return parts_sent(preset(rule), shape_with(activation), block, Recompute::offloaded);
  };
  EXPECT_EQ(sent("bp", Activation::gelu, 1), (BlockParts{qkv, attended, h, a}));
  EXPECT_EQ(sent("bp", Activation::relu, 1), (BlockParts{qkv, attended, h, z}));
  EXPECT_EQ(sent("dfa-canonical", Activation::gelu, 1), (BlockParts{attended, h, a}))
      << "layer-wise feedback reads no q, k, v";
  EXPECT_EQ(sent("shallow", Activation::gelu, 0), BlockParts{});
  for (const char* name : {"bp", "dfa", "dfa-canonical"})
    for (const Activation activation : all_activations)
      for (const std::int64_t block : {0, 1, 3}) {
        const Shape shape = shape_with(activation);
        const BlockParts dropped = parts_dropped(preset(name), shape, block, Recompute::offloaded);
        const BlockParts again =
            parts_again(dropped, parts_read(preset(name), shape, block, Pass::all));
        EXPECT_EQ(again.without({u1, u2, z}), BlockParts{}) << name;
        EXPECT_EQ(dropped | sent(name, activation, block), inner_parts) << name;
      }
}

/// A pass over a block whose backward is taken apart computes what it reads itself.
TEST(BlockParts, ThatAPassReadsAreThoseOfBothHalves) {
  using enum BlockPart;
  const Rule& bp = preset("bp");
  const Shape shape = shape_with(Activation::gelu);
  const BlockParts input = parts_read(bp, shape, 1, Pass::input),
                   weights = parts_read(bp, shape, 1, Pass::weights);
  EXPECT_EQ(input, (BlockParts{qkv, h, a}));
  EXPECT_EQ(weights, (BlockParts{u1, attended, u2, z}));
  EXPECT_EQ(input | weights, parts_read(bp, shape, 1, Pass::all));
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
  for (const Activation activation : all_activations)
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      const std::vector<float> kept = trained(rule, activation, precision, Recompute::nothing);
      for (const RecomputeLevel& facts : recompute_levels)
        EXPECT_EQ(trained(rule, activation, precision, facts.level) == kept, true)
            << facts.name << ", " << bytes_of(precision) << " bytes";
    }
}

INSTANTIATE_TEST_SUITE_P(Rules, Recomputed, all_rules(), rule_name);

// ---- memory

struct KeptNumbers {
  Recompute level;
  std::int64_t of_gelu, of_relu;
};

/// Every block of backpropagation keeps as many D of its 16 D numbers as the level says; ReLU keeps
/// no pre-activation.  Beside them the statistics of its norms, which an offloaded one sends along.
TEST(RecomputedMemory, IsWhatEachLevelKeeps) {
  constexpr std::array kept = {
      KeptNumbers{Recompute::nothing, 16, 12},  KeptNumbers{Recompute::elementwise, 10, 10},
      KeptNumbers{Recompute::fc1, 6, 6},        KeptNumbers{Recompute::projections, 2, 2},
      KeptNumbers{Recompute::everything, 1, 1}, KeptNumbers{Recompute::offloaded, 1, 1}};
  const auto activations = [](const Shape& shape, Recompute level) {
    SmallModel model(shape, preset("bp"), 4, 0.02, plain_adamw(), Products::library, level);
    return model.learner().memory().back().bytes;
  };
  for (const Activation activation : {Activation::gelu, Activation::relu}) {
    const Shape small{2, 64, 4, 32, 200, true, activation};
    Shape large = small;
    large.layers = 12;
    const std::int64_t tokens = 4 * small.context;
    for (const KeptNumbers& of : kept) {
      const std::int64_t numbers = activation == Activation::relu ? of.of_relu : of.of_gelu;
      const std::int64_t statistics = of.level == Recompute::offloaded ? 0 : 4;
      EXPECT_EQ(activations(large, of.level) - activations(small, of.level),
                10 * tokens * (numbers * small.width + statistics) * 4)
          << facts_of(of.level).name;
    }
  }
}

}  // namespace
}  // namespace dfascale::test
