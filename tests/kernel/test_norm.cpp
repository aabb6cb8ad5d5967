#include <tuple>

#include "kernels/norm.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/oracle/norm.hpp"

namespace dfascale::test {
namespace {

struct Case {
  std::int64_t rows, cols, gap;
};

class Norm : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Norm,
                         testing::Values(Case{1, 1, 0}, Case{3, 17, 0}, Case{17, 3, 5},
                                         Case{64, 64, 0}, Case{100, 101, 1}, Case{5, 1408, 0},
                                         Case{0, 7, 0}));

TEST_P(Norm, ForwardEqualsTheOracle) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense x = random_dense(rows, cols, 1, 3.0);
  const oracle::Values gain = random_values(cols, 2), shift = random_values(cols, 3);
  const Grid dx(x, gap), dy(oracle::Dense(rows, cols), gap);
  const Array<float> dgain(to_float(gain)), dshift(to_float(shift));
  const Array<float> mean{std::vector<float>(rows)}, rstd{std::vector<float>(rows)};
  norm_forward(on, dy.mat(), mean.vec(), rstd.vec(), dx.view(), dgain.view(), dshift.view());
  const oracle::Normed wanted = oracle::norm_forward(x, gain, shift);
  expect_close(dy.host().values, wanted.y.values, sum_tolerance(cols), "y");
  expect_close(to_double(mean.host()), wanted.mean, sum_tolerance(cols), "mean",
               sum_tolerance(cols));
  expect_close(to_double(rstd.host()), wanted.rstd, sum_tolerance(cols), "rstd");
}

/// Runs all three backward kernels on top of what `start` holds.
void check_backward(const Case& size, Into into) {
  const auto [rows, cols, gap] = size;
  const oracle::Dense x = random_dense(rows, cols, 1), dy = random_dense(rows, cols, 4);
  const oracle::Dense start = random_dense(rows, cols, 5);
  const oracle::Values gain = random_values(cols, 2);
  const oracle::Values old_gain = random_values(cols, 6), old_shift = random_values(cols, 7);
  const oracle::Normed kept = oracle::norm_forward(x, gain, oracle::Values(cols));
  const Grid device_x(x, gap), device_dy(dy, gap), dx(start, gap);
  const Array<float> device_gain(to_float(gain)), mean(to_float(kept.mean)),
      rstd(to_float(kept.rstd));
  const Array<float> dgain(to_float(old_gain)), dshift(to_float(old_shift));
  norm_backward_input(on, dx.mat(), into, device_dy.view(), device_x.view(), mean.view(),
                      rstd.view(), device_gain.view());
  norm_backward_params(on, dgain.vec(), dshift.vec(), device_dy.view(), device_x.view(),
                       mean.view(), rstd.view());
  oracle::NormGradient wanted = oracle::norm_backward(dy, x, gain);
  for (std::size_t i = 0; into == Into::add && i < wanted.dx.values.size(); ++i) {
    wanted.dx.values[i] += start.values[i];
  }
  for (std::int64_t c = 0; c < cols; ++c) {
    wanted.dgain[c] += old_gain[c];
    wanted.dshift[c] += old_shift[c];
  }
  const double kept_error = largest(kept.rstd) * eps;  // mean and rstd arrive rounded to float
  expect_close(dx.host().values, wanted.dx.values, sum_tolerance(cols), "dx", 4 * kept_error);
  expect_close(to_double(dgain.host()), wanted.dgain, sum_tolerance(rows), "dgain", 4 * kept_error);
  expect_close(to_double(dshift.host()), wanted.dshift, sum_tolerance(rows), "dshift");
}

TEST_P(Norm, BackwardOverwrites) { check_backward(GetParam(), Into::overwrite); }
TEST_P(Norm, BackwardAdds) { check_backward(GetParam(), Into::add); }

TEST_P(Norm, NormalizesRows) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense x = random_dense(rows, cols, 1, 3.0);
  const oracle::Normed wanted =
      oracle::norm_forward(x, oracle::Values(cols, 1.0), oracle::Values(cols));
  const Grid device_x(x, gap), xhat(oracle::Dense(rows, cols), gap + 1);
  const Array<float> mean(to_float(wanted.mean)), rstd(to_float(wanted.rstd));
  normalize(on, xhat.mat(), device_x.view(), mean.view(), rstd.view());
  const double kept_error = largest(wanted.mean) * largest(wanted.rstd) * eps;  // of mean, rounded
  expect_close(xhat.host().values, wanted.y.values, 4 * eps, "xhat", 4 * kept_error);
}

/// A norm and the linear layer behind it, q = W y + b, in double: all gradients from dq.
struct NormLinear {
  NormLinear(std::int64_t rows, std::int64_t cols, std::int64_t outputs)
      : x(random_dense(rows, cols, 1)),
        dq(random_dense(rows, outputs, 2)),
        weight(random_dense(outputs, cols, 3)),
        gain(random_values(cols, 4)),
        shift(random_values(cols, 5)),
        product(outputs, cols),
        dweight(outputs, cols),
        column_sums(outputs) {
    const oracle::Dense y = oracle::norm_forward(x, gain, shift).y;
    const oracle::Dense xhat =
        oracle::norm_forward(x, oracle::Values(cols, 1.0), oracle::Values(cols)).y;
    oracle::Dense dy(rows, cols);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t j = 0; j < outputs; ++j) {
        column_sums[j] += dq(r, j);
        for (std::int64_t c = 0; c < cols; ++c) {
          dy(r, c) += dq(r, j) * weight(j, c);
          dweight(j, c) += dq(r, j) * y(r, c);
          product(j, c) += dq(r, j) * xhat(r, c);
        }
      }
    }
    norm = oracle::norm_backward(dy, x, gain);
  }

  oracle::Dense x, dq, weight;
  oracle::Values gain, shift;
  oracle::Dense product, dweight;
  oracle::Values column_sums;
  oracle::NormGradient norm;
};

/// dgain and dshift without a gradient at the norm's output equal those by way of it.
void check_norm_linear(Into into) {
  for (const auto& [rows, cols, outputs] :
       {std::tuple{1, 1, 1}, {17, 3, 9}, {5, 100, 33}, {40, 64, 300}}) {
    const NormLinear t(rows, cols, outputs);
    const oracle::Dense old_weight = random_dense(outputs, cols, 6);
    const oracle::Values old_bias = random_values(outputs, 7), old_gain = random_values(cols, 8);
    const Grid dweight(old_weight, 2), product(t.product, 1), weight(t.weight, 0);
    const Array<float> dbias(to_float(old_bias)), dgain(to_float(old_gain)),
        dshift(to_float(old_gain));
    const Array<float> sums(to_float(t.column_sums)), gain(to_float(t.gain)),
        shift(to_float(t.shift));
    norm_linear_backward_params(on, {dgain.vec(), dshift.vec(), dweight.mat(), dbias.vec()}, into,
                                product.view(), sums.view(),
                                {gain.view(), shift.view(), weight.view()});
    oracle::Dense wanted_weight = t.dweight;
    for (std::size_t i = 0; into == Into::add && i < wanted_weight.values.size(); ++i)
      wanted_weight.values[i] += old_weight.values[i];
    oracle::Values wanted_bias = t.column_sums, wanted_gain = t.norm.dgain,
                   wanted_shift = t.norm.dshift;
    for (std::int64_t j = 0; j < outputs; ++j) wanted_bias[j] += old_bias[j];
    for (std::int64_t c = 0; c < cols; ++c) {
      wanted_gain[c] += old_gain[c];
      wanted_shift[c] += old_gain[c];
    }
    // Products and column sums arrive rounded to float; their sums may cancel.
    const double rounded = eps * (largest(t.product.values) + largest(t.column_sums)) *
                           largest(t.weight.values) * std::sqrt(outputs);
    expect_close(dweight.host().values, wanted_weight.values, 4 * eps, "dweight", rounded);
    expect_close(to_double(dbias.host()), wanted_bias, 4 * eps, "dbias");
    expect_close(to_double(dgain.host()), wanted_gain, sum_tolerance(outputs), "dgain", rounded);
    expect_close(to_double(dshift.host()), wanted_shift, sum_tolerance(outputs), "dshift", rounded);
  }
}

TEST(NormLinear, GradientsWithoutAnInputGradient) { check_norm_linear(Into::add); }
TEST(NormLinear, WeightGradientOverwritten) { check_norm_linear(Into::overwrite); }

TEST(NormOracle, GradientEqualsFiniteDifferences) {
  const std::int64_t rows = 3, cols = 7;
  const oracle::Dense x = random_dense(rows, cols, 1), dy = random_dense(rows, cols, 4);
  const oracle::Values gain = random_values(cols, 2), shift = random_values(cols, 3);
  const oracle::NormGradient gradient = oracle::norm_backward(dy, x, gain);
  const double allowed = 1e-8;  // of central differences at h = 1e-5
  const auto loss = [&](const oracle::Dense& at, const oracle::Values& g, const oracle::Values& s) {
    return oracle::inner(dy.values, oracle::norm_forward(at, g, s).y.values);
  };
  expect_close(gradient.dx.values,
               oracle::finite_differences(
                   [&](const oracle::Values& v) {
                     return loss({rows, cols, v}, gain, shift);
                   },
                   x.values),
               allowed, "dx");
  expect_close(
      gradient.dgain,
      oracle::finite_differences([&](const oracle::Values& v) { return loss(x, v, shift); }, gain),
      allowed, "dgain");
  expect_close(
      gradient.dshift,
      oracle::finite_differences([&](const oracle::Values& v) { return loss(x, gain, v); }, shift),
      allowed, "dshift");
}

}  // namespace
}  // namespace dfascale::test
