// What --dry-run prints of a rule's memory: what is planned follows from the equations, and what is
// laid out later is what was planned (make_in throws where it is not).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/rule_names.hpp"
#include "tests/support/small_model.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t sequences = 4;

Shape of_layers(std::int64_t layers) { return {layers, 64, 4, 32, 200, true, Activation::relu}; }

OptimSettings in_precision(Precision precision) {
  OptimSettings optim = plain_adamw();
  optim.precision = precision;
  return optim;
}

std::int64_t planned(const std::string& what, std::int64_t layers, const Rule& rule,
                     Precision precision = Precision::f32) {
  Training training{of_layers(layers), rule, in_precision(precision), {}, sequences};
  training.parallel.dp = training.parallel.pp = training.parallel.micro_batches = 1;
  training.parallel.schedule = "1f1b";
  const std::vector<MemoryRow> rows = ParallelLearner::planned_memory(training, 0);
  const auto row = std::ranges::find(rows, what, &MemoryRow::what);
  EXPECT_NE(row, rows.end()) << what;
  return row == rows.end() ? 0 : row->bytes;
}

class MemoryPlan : public testing::TestWithParam<std::string> {};

TEST_P(MemoryPlan, IsWhatIsLaidOut) {
  const Rule& rule = preset(GetParam());
  for (const std::int64_t layers : {1, 2, 6}) {
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      SmallModel model(of_layers(layers), rule, sequences, 0.02, in_precision(precision));
      for (const MemoryRow& row : model.learner().memory())
        EXPECT_EQ(row.bytes, planned(row.what, layers, rule, precision))
            << row.what << ", L = " << layers;
    }
  }
}

/// What blocks with ReLU need not keep of the arrays that products read: how many times D, and in
/// how many arrays.
struct Spared {
  std::int64_t widths = 0, arrays = 0;
};

Spared spared_by(const Rule& rule) {
  if (rule.name == "bp") return {4, 1};             // the pre-activation, a
  if (rule.name == "dfa") return {1, 1};            // u1, since nobody asks for an input gradient
  if (rule.name == "dfa-canonical") return {7, 2};  // qkv and a
  return {};
}

TEST_P(MemoryPlan, GrowsByWhatTrainedBlocksStore) {
  const Rule& rule = preset(GetParam());
  const Shape shape = of_layers(2);
  // u1, qkv, attended, h, u2, a, z, y: 16 D floats a token; mean and rstd of two norms.
  const std::int64_t numbers = (16 - spared_by(rule).widths) * shape.width + 4;
  const std::int64_t stored = sequences * shape.context * numbers * 4;
  const std::int64_t trained = rule.inner == Credit::none ? 0 : 10;
  EXPECT_EQ(planned("activations and workspace", 12, rule) -
                planned("activations and workspace", 2, rule),
            trained * stored);
}

/// What products read is half as large, but rows have gaps of 64 bytes and weights a second copy.
TEST_P(MemoryPlan, HalfPrecisionStoresRoundedActivationsAndWeights) {
  const Rule& rule = preset(GetParam());
  const Shape shape = of_layers(2);
  const std::int64_t D = shape.width, tokens = sequences * shape.context;
  // h and y of 2 D floats, u1, qkv, attended, u2, a, z of 14 D; 4 statistics.
  const Spared spared = spared_by(rule);
  const std::int64_t halves = (14 - spared.widths) * D, gaps = (6 - spared.arrays) * 64;
  const std::int64_t stored = tokens * (2 * D * 4 + halves * 2 + gaps + 4 * 4);
  const std::int64_t weights = 12 * D * D * 2 + (3 + 1 + 4 + 1) * D * 64;
  const std::int64_t trained = rule.inner == Credit::none ? 0 : 10;
  EXPECT_EQ(planned("activations and workspace", 12, rule, Precision::bf16) -
                planned("activations and workspace", 2, rule, Precision::bf16),
            trained * stored + 10 * weights);
}

INSTANTIATE_TEST_SUITE_P(Rules, MemoryPlan, all_rules(), rule_name);

}  // namespace
}  // namespace dfascale::test
