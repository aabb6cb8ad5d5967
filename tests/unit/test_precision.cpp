// Training in bf16: gradients like those of plain loops with the same roundings, near those in f32,
// and losses that fall as in f32.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/rule_names.hpp"
#include "tests/support/small_model.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t sequences = 4;
const Shape shape = {3, 64, 4, 24, 200, true, Activation::gelu};

OptimSettings half_precision() {
  OptimSettings optim = plain_adamw();
  optim.precision = Precision::bf16;
  return optim;
}

/// |a - b| / |b| of a tensor's gradient; the key part of qkv's bias has none.
double difference(SmallModel& a, SmallModel& b, const Parameter& p) {
  const std::vector<float> ours = a.gradient(p), theirs = b.gradient(p);
  double off = 0, norm = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const auto element = static_cast<std::int64_t>(i);
    const bool is_key =
        p.name.ends_with("attn.qkv.bias") && element >= shape.width && element < 2 * shape.width;
    if (is_key) continue;
    off += std::pow(static_cast<double>(ours[i]) - static_cast<double>(theirs[i]), 2);
    norm += std::pow(static_cast<double>(theirs[i]), 2);
  }
  return std::sqrt(off) / std::sqrt(norm);
}

class Rules : public testing::TestWithParam<std::string> {};

TEST_P(Rules, GradientsAreThoseOfPlainLoopsWithTheSameRoundings) {
  if (!device_memory_is_host()) GTEST_SKIP() << "the reference works in host memory";
  const Rule& rule = preset(GetParam());
  SmallModel half(shape, rule, sequences, 0.05, half_precision());
  SmallModel plain(shape, rule, sequences, 0.05, half_precision(), Products::reference);
  for (SmallModel* model : {&half, &plain}) model->take_gradients();
  for (const Parameter& p : half.learner().table().all()) {
    if (!p.trained) continue;
    EXPECT_LE(difference(half, plain, p), 0.02) << p.name;
  }
}

TEST_P(Rules, GradientsAreNearThoseInFloat) {
  const Rule& rule = preset(GetParam());
  SmallModel half(shape, rule, sequences, 0.05, half_precision());
  SmallModel exact(shape, rule, sequences, 0.05);
  for (SmallModel* model : {&half, &exact}) model->take_gradients();
  double largest = 0;
  for (const Parameter& p : half.learner().table().all()) {
    if (!p.trained) continue;
    EXPECT_LE(difference(half, exact, p), 0.06) << p.name;
    largest = std::max(largest, difference(half, exact, p));
  }
  EXPECT_GT(largest, 1e-4) << "nothing was rounded";
}

TEST_P(Rules, LossesFallAsInFloat) {
  const Rule& rule = preset(GetParam());
  SmallModel half(shape, rule, sequences, 0.05, half_precision());
  SmallModel exact(shape, rule, sequences, 0.05);
  const double before = exact.loss();
  for (std::int64_t step = 1; step <= 60; ++step) {
    for (SmallModel* model : {&half, &exact}) {
      model->take_gradients();
      model->learner().update(step, 1e-3);
    }
    if (step % 20 == 0) {
      EXPECT_NEAR(half.loss() / exact.loss(), 1, 5e-3) << "step " << step;
    }
  }
  EXPECT_LT(exact.loss(), 0.97 * before) << "nothing was learnt";
}

INSTANTIATE_TEST_SUITE_P(Precision, Rules, all_rules(), rule_name);

}  // namespace
}  // namespace dfascale::test
