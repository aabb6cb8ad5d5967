// What --dry-run prints of a rule's memory: what is planned follows from the equations, and what is
// laid out later is what was planned (make_in throws where it is not).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/small_model.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t sequences = 4;

Shape of_layers(std::int64_t layers) { return {layers, 64, 4, 32, 200, true, Activation::relu}; }

std::int64_t planned(const std::string& what, std::int64_t layers, const Rule& rule) {
  const std::vector<MemoryRow> rows = planned_memory(
      of_layers(layers), rule, plain_adamw(), whole_model_layout(of_layers(layers), sequences));
  const auto row = std::ranges::find(rows, what, &MemoryRow::what);
  EXPECT_NE(row, rows.end()) << what;
  return row == rows.end() ? 0 : row->bytes;
}

class MemoryPlan : public testing::TestWithParam<std::string> {};

TEST_P(MemoryPlan, IsWhatIsLaidOut) {
  const Rule& rule = preset(GetParam());
  for (const std::int64_t layers : {1, 2, 6}) {
    SmallModel model(of_layers(layers), rule, sequences, 0.02);
    for (const MemoryRow& row : model.learner().memory())
      EXPECT_EQ(row.bytes, planned(row.what, layers, rule)) << row.what << ", L = " << layers;
  }
}

TEST_P(MemoryPlan, GrowsByWhatTrainedBlocksStore) {
  const Rule& rule = preset(GetParam());
  const Shape shape = of_layers(2);
  // u1, qkv, attended, h, u2, a, z, y: 16 D floats a token; mean and rstd of two norms.
  const std::int64_t stored = sequences * shape.context * (16 * shape.width + 4) * 4;
  const std::int64_t trained = rule.inner == Credit::none ? 0 : 10;
  EXPECT_EQ(planned("activations and workspace", 12, rule) -
                planned("activations and workspace", 2, rule),
            trained * stored);
}

INSTANTIATE_TEST_SUITE_P(Rules, MemoryPlan,
                         testing::Values("bp", "dfa", "dfa-canonical", "shallow"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace dfascale::test
