#include "kernels/attention.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/oracle/attention.hpp"

namespace dfascale::test {
namespace {

class Attention : public testing::TestWithParam<AttentionShape> {};

// Contexts below, at, above and far above the block of 64 queries; head widths 1, 3, 8, 64.
INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(AttentionShape{1, 1, 1, 1}, AttentionShape{2, 3, 6, 2},
                                         AttentionShape{3, 17, 16, 2}, AttentionShape{1, 64, 8, 1},
                                         AttentionShape{2, 130, 9, 3},
                                         AttentionShape{1, 300, 128, 2},
                                         AttentionShape{0, 4, 4, 1}));

/// Inputs, and what forward left on the device.
struct Forward {
  Forward(const AttentionShape& s, std::int64_t gap)
      : qkv(random_dense(s.sequences * s.context, 3 * s.width, 1)),
        wanted(oracle::attention_forward(qkv, s)),
        device_qkv(qkv, gap),
        out(oracle::Dense(s.sequences * s.context, s.width), gap),
        scratch(std::vector<float>(attention_scratch(s), NAN)) {
    attention_forward(on, out.mat(), device_qkv.view(), s, scratch.vec());
  }

  oracle::Dense qkv;
  oracle::Attended wanted;
  Grid device_qkv, out;
  Array<float> scratch;
};

/// Sums over head width, keys and, in gradients, queries.
double tolerance(const AttentionShape& s) {
  return 2 * sum_tolerance(s.context + s.width / s.heads);
}

TEST_P(Attention, ForwardEqualsTheOracle) {
  const AttentionShape s = GetParam();
  const Forward run(s, 3);
  expect_close(run.out.host().values, run.wanted.out.values, tolerance(s), "out");
}

TEST_P(Attention, BackwardEqualsTheOracle) {
  const AttentionShape s = GetParam();
  Forward run(s, 5);
  const oracle::Dense dout = random_dense(s.sequences * s.context, s.width, 2);
  const Grid device_dout(dout, 1), dqkv(random_dense(run.qkv.rows, run.qkv.cols, 3), 2);
  attention_backward(on, dqkv.mat(), device_dout.view(), run.device_qkv.view(), s,
                     run.scratch.vec());
  expect_close(dqkv.host().values, oracle::attention_backward(dout, run.qkv, s).values,
               tolerance(s), "dqkv", eps);
}

TEST(AttentionScratch, DoesNotGrowWithSequencesAndHeads) {
  if (!device_memory_is_host()) GTEST_SKIP() << "on GPUs it holds statistics of all queries";
  EXPECT_EQ(attention_scratch({1, 512, 576, 9}), attention_scratch({64, 512, 4096, 64}));
}

TEST(AttentionOracle, GradientEqualsFiniteDifferences) {
  const AttentionShape s{2, 5, 6, 2};
  const oracle::Dense qkv = random_dense(s.sequences * s.context, 3 * s.width, 1);
  const oracle::Dense dout = random_dense(qkv.rows, s.width, 2);
  const auto loss = [&](const oracle::Values& v) {
    return oracle::inner(dout.values,
                         oracle::attention_forward({qkv.rows, qkv.cols, v}, s).out.values);
  };
  expect_close(oracle::attention_backward(dout, qkv, s).values,
               oracle::finite_differences(loss, qkv.values), 1e-8, "dqkv");
}

}  // namespace
}  // namespace dfascale::test
