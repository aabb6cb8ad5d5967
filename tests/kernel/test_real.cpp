// bf16: rounding, and kernels on arrays in bf16 against the same kernels in float on the same
// rounded numbers.
#include <bit>

#include "kernels/activation.hpp"
#include "kernels/attention.hpp"
#include "kernels/embed.hpp"
#include "kernels/loss.hpp"
#include "kernels/norm.hpp"
#include "kernels/residual.hpp"
#include "tests/kernel/arrays.hpp"

namespace dfascale::test {
namespace {

constexpr double half_spacing = 0x1p-8;  // a rounding to bf16, relative

TEST(Bf16, KeepsEveryNumberOfItsOwn) {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const float value = std::bit_cast<float>(bits << 16);
    const std::uint32_t back = Bf16(value).bits;
    if (std::isnan(value)) EXPECT_TRUE(std::isnan(float(Bf16(value))));
    else EXPECT_EQ(back, bits);
  }
}

TEST(Bf16, RoundsToTheNearestAndTiesToEven) {
  for (std::uint32_t upper = 0x3F00u; upper < 0x4100u; ++upper) {
    const std::uint32_t low = upper << 16;
    EXPECT_EQ(Bf16(std::bit_cast<float>(low + 0x7FFFu)).bits, upper);
    EXPECT_EQ(Bf16(std::bit_cast<float>(low + 0x8000u)).bits, upper + upper % 2);
    EXPECT_EQ(Bf16(std::bit_cast<float>(low + 0x8001u)).bits, upper + 1);
  }
  EXPECT_TRUE(std::isinf(float(Bf16(std::numeric_limits<float>::max()))));
  EXPECT_TRUE(std::isnan(float(Bf16(std::bit_cast<float>(0x7F800001u)))));
}

TEST(Stored, IsNotReadAsAnotherPrecision) {
  const HalfGrid half(oracle::Dense(2, 2), 0);
  EXPECT_THROW(half.view().as<const float>(), std::logic_error);
}

struct Case {
  std::int64_t rows, cols, gap;
};

class HalfKernels : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Sizes, HalfKernels,
                         testing::Values(Case{1, 1, 0}, Case{3, 17, 5}, Case{17, 100, 32},
                                         Case{64, 576, 0}, Case{0, 3, 0}));

TEST_P(HalfKernels, ConvertBothWays) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense a = random_dense(rows, cols, 1);
  const Grid whole(a, 1), back(oracle::Dense(rows, cols), gap);
  const HalfGrid half(oracle::Dense(rows, cols), gap);
  convert(on, half.mat(), whole.view());
  EXPECT_EQ(half.host().values, rounded(a).values);
  convert(on, back.mat(), half.view(), 2.0f);
  oracle::Dense twice = rounded(a);
  for (double& value : twice.values) value *= 2;
  EXPECT_EQ(back.host().values, twice.values);
}

TEST_P(HalfKernels, AddAsInFloat) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense a = rounded(random_dense(rows, cols, 1)), b = random_dense(rows, cols, 2);
  const Grid in(a, 0), other(b, 1), y(a, 0);
  const HalfGrid half(a, gap);
  add(on, y.mat(), in.view(), other.view());
  add(on, half.mat(), half.view(), other.view());
  EXPECT_EQ(half.host().values, rounded(y.host()).values);
}

TEST_P(HalfKernels, NormAsInFloat) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense x = random_dense(rows, cols, 1), dy = rounded(random_dense(rows, cols, 2));
  const Grid device_x(x, 0), y(x, 0), dx(x, 0), dx_half(x, 0), upper(dy, 0);
  const HalfGrid y_half(x, gap), upper_half(dy, gap);
  const std::vector<float> zeros(static_cast<std::size_t>(cols));
  const Array<float> gain(to_float(random_values(cols, 3))),
      shift(to_float(random_values(cols, 4)));
  const Array<float> mean{std::vector<float>(rows)}, rstd{std::vector<float>(rows)};
  const Array<float> dgain(zeros), dshift(zeros), dgain_half(zeros), dshift_half(zeros);
  norm_forward(on, y.mat(), mean.vec(), rstd.vec(), device_x.view(), gain.view(), shift.view());
  norm_forward(on, y_half.mat(), mean.vec(), rstd.vec(), device_x.view(), gain.view(),
               shift.view());
  EXPECT_EQ(y_half.host().values, rounded(y.host()).values);
  norm_backward_input(on, dx.mat(), Into::add, upper.view(), device_x.view(), mean.view(),
                      rstd.view(), gain.view());
  norm_backward_input(on, dx_half.mat(), Into::add, upper_half.view(), device_x.view(), mean.view(),
                      rstd.view(), gain.view());
  expect_close(dx_half.host().values, dx.host().values, sum_tolerance(cols), "dx");
  norm_backward_params(on, dgain.vec(), dshift.vec(), upper.view(), device_x.view(), mean.view(),
                       rstd.view());
  norm_backward_params(on, dgain_half.vec(), dshift_half.vec(), upper_half.view(), device_x.view(),
                       mean.view(), rstd.view());
  expect_close(to_double(dgain_half.host()), to_double(dgain.host()), sum_tolerance(rows), "dgain");
  expect_close(to_double(dshift_half.host()), to_double(dshift.host()), sum_tolerance(rows),
               "dshift");
  normalize(on, y.mat(), device_x.view(), mean.view(), rstd.view());
  normalize(on, y_half.mat(), device_x.view(), mean.view(), rstd.view());
  EXPECT_EQ(y_half.host().values, rounded(y.host()).values);
}

TEST_P(HalfKernels, ActivationAndBiasAsInFloat) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense a = rounded(random_dense(rows, cols, 1)),
                      dz = rounded(random_dense(rows, cols, 2));
  const Grid in(a, 0), z(a, 0), upper(dz, 0);
  const HalfGrid in_half(a, gap), z_half(a, gap), upper_half(dz, gap);
  for (const Activation kind : {Activation::relu, Activation::gelu, Activation::tanh}) {
    activation_forward(on, z.mat(), in.view(), kind);
    activation_forward(on, z_half.mat(), in_half.view(), kind);
    EXPECT_EQ(z_half.host().values, rounded(z.host()).values);
    activation_backward(on, z.mat(), upper.view(), in.view(), kind, Derivative::exact);
    activation_backward(on, z_half.mat(), upper_half.view(), in_half.view(), kind,
                        Derivative::exact);
    EXPECT_EQ(z_half.host().values, rounded(z.host()).values);
  }
  const std::vector<float> zeros(static_cast<std::size_t>(cols));
  const Array<float> dbias(zeros), dbias_half(zeros);
  bias_backward(on, dbias.vec(), upper.view());
  bias_backward(on, dbias_half.vec(), upper_half.view());
  EXPECT_EQ(dbias_half.host(), dbias.host());
}

TEST(HalfKernels, LossAsInFloat) {
  const std::int64_t rows = 9, vocab = 101, padded = 128;
  const oracle::Dense logits = rounded(random_dense(rows, padded, 1, 3.0));
  const Array<std::int32_t> targets(random_tokens(rows, vocab, 2));
  const Grid whole(logits, 0);
  const HalfGrid half(logits, 3);
  const Array<float> losses{std::vector<float>(rows)}, losses_half{std::vector<float>(rows)};
  cross_entropy(on, losses_half.vec(), half.view(), targets.view(), vocab);
  cross_entropy_with_gradient(on, losses.vec(), whole.mat(), targets.view(), vocab, 0.125f);
  expect_close(to_double(losses_half.host()), to_double(losses.host()), 4 * eps, "evaluated");
  cross_entropy_with_gradient(on, losses_half.vec(), half.mat(), targets.view(), vocab, 0.125f);
  expect_close(to_double(losses_half.host()), to_double(losses.host()), 4 * eps, "losses");
  // The exponential is rounded, then the gradient.
  expect_close(half.host().values, whole.host().values, 2 * half_spacing, "gradient");
}

TEST(HalfKernels, AttentionAsInFloat) {
  for (const AttentionShape s : {AttentionShape{2, 3, 6, 2}, AttentionShape{1, 130, 32, 2}}) {
    const std::int64_t rows = s.sequences * s.context;
    const oracle::Dense qkv = rounded(random_dense(rows, 3 * s.width, 1));
    const oracle::Dense dout = rounded(random_dense(rows, s.width, 2));
    const Grid in(qkv, 0), out(dout, 0), upper(dout, 0), dqkv(qkv, 0);
    const HalfGrid in_half(qkv, 32), out_half(dout, 32), upper_half(dout, 32), dqkv_half(qkv, 32);
    const Array<float> scratch(std::vector<float>(attention_scratch(s), NAN));
    attention_forward(on, out.mat(), in.view(), s, scratch.vec());
    attention_forward(on, out_half.mat(), in_half.view(), s, scratch.vec());
    expect_close(out_half.host().values, out.host().values, half_spacing, "out");
    attention_backward(on, dqkv.mat(), upper.view(), in.view(), s, scratch.vec());
    attention_backward(on, dqkv_half.mat(), upper_half.view(), in_half.view(), s, scratch.vec());
    expect_close(dqkv_half.host().values, dqkv.host().values, half_spacing, "dqkv");
  }
}

TEST(HalfKernels, EmbeddingGradientsAsInFloat) {
  const std::int64_t rows = 6, cols = 17;
  const oracle::Dense dx = rounded(random_dense(rows, cols, 1));
  const Grid whole(dx, 0), token(oracle::Dense(4, cols), 0), token_half(oracle::Dense(4, cols), 0),
      position(oracle::Dense(3, cols), 0), position_half(oracle::Dense(3, cols), 0);
  const HalfGrid half(dx, 5);
  const Array<std::int32_t> tokens({2, 1, 2, 2, 1, 2}), places({1, 4, 0, 2, 3, 5}),
      start({0, 2, 6});
  const TokenRuns runs{places.view(), start.view(), 2};
  token_embedding_backward(on, token.mat(), whole.view(), tokens.view(), runs);
  token_embedding_backward(on, token_half.mat(), half.view(), tokens.view(), runs);
  EXPECT_EQ(token_half.host().values, token.host().values);
  position_embedding_backward(on, position.mat(), whole.view());
  position_embedding_backward(on, position_half.mat(), half.view());
  EXPECT_EQ(position_half.host().values, position.host().values);
}

}  // namespace
}  // namespace dfascale::test
