#include "kernels/loss.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/oracle/loss.hpp"

namespace dfascale::test {
namespace {

struct Case {
  std::int64_t rows, vocab, padded, gap;
  double deviation;
};

class Loss : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Loss,
                         testing::Values(Case{1, 1, 1, 0, 1}, Case{3, 17, 64, 0, 1},
                                         Case{17, 64, 64, 3, 1}, Case{5, 100, 128, 1, 30},
                                         Case{2, 50257, 50304, 0, 2}, Case{0, 5, 5, 0, 1}));

/// Exponents carry the rounding of logits: eps times the largest.
double tolerance(const Case& t, const oracle::Dense& logits) {
  return sum_tolerance(t.vocab) + 2 * eps * largest(logits.values);
}

TEST_P(Loss, EqualsTheOracle) {
  const Case t = GetParam();
  const oracle::Dense logits = random_dense(t.rows, t.padded, 1, t.deviation);
  const std::vector<std::int32_t> targets = random_tokens(t.rows, t.vocab, 2);
  const Grid device_logits(logits, t.gap);
  const Array<std::int32_t> device_targets(targets);
  const Array<float> losses(std::vector<float>(t.rows, NAN));
  cross_entropy(on, losses.vec(), device_logits.view(), device_targets.view(), t.vocab);
  const oracle::Values wanted = oracle::cross_entropy(logits, targets, t.vocab);
  expect_close(to_double(losses.host()), wanted, tolerance(t, logits), "loss",
               tolerance(t, logits));
  EXPECT_EQ(device_logits.host().values, logits.values);
}

TEST_P(Loss, GradientEqualsTheOracle) {
  const Case t = GetParam();
  const float scale = 0.125f;
  const oracle::Dense logits = random_dense(t.rows, t.padded, 1, t.deviation);
  const std::vector<std::int32_t> targets = random_tokens(t.rows, t.vocab, 2);
  const Grid device_logits(logits, t.gap);
  const Array<std::int32_t> device_targets(targets);
  const Array<float> losses(std::vector<float>(t.rows, NAN));
  cross_entropy_with_gradient(on, losses.vec(), device_logits.mat(), device_targets.view(), t.vocab,
                              scale);
  expect_close(to_double(losses.host()), oracle::cross_entropy(logits, targets, t.vocab),
               tolerance(t, logits), "loss", tolerance(t, logits));
  const oracle::Dense wanted = oracle::cross_entropy_gradient(logits, targets, t.vocab, scale);
  expect_close(device_logits.host().values, wanted.values, tolerance(t, logits), "gradient",
               eps * scale);
}

TEST(LossOracle, GradientEqualsFiniteDifferences) {
  const oracle::Dense logits = random_dense(4, 9, 1);
  const std::vector<std::int32_t> targets = random_tokens(4, 7, 2);
  const auto loss = [&](const oracle::Values& v) {
    return 0.5 *
           oracle::inner(oracle::cross_entropy({4, 9, v}, targets, 7), oracle::Values(4, 1.0));
  };
  expect_close(oracle::cross_entropy_gradient(logits, targets, 7, 0.5).values,
               oracle::finite_differences(loss, logits.values), 1e-8, "gradient");
}

TEST(Loss, NonFiniteLogitsShow) {
  for (const float bad : {NAN, INFINITY}) {
    oracle::Dense logits = random_dense(1, 100, 1);
    logits(0, 40) = bad;
    const Grid device_logits(logits, 0);
    const Array<std::int32_t> target(std::vector<std::int32_t>{7});
    const Array<float> losses(std::vector<float>(1));
    cross_entropy_with_gradient(on, losses.vec(), device_logits.mat(), target.view(), 100, 1.0f);
    EXPECT_FALSE(std::isfinite(losses.host()[0]));
  }
}

}  // namespace
}  // namespace dfascale::test
