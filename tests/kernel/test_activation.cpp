#include "kernels/activation.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/oracle/activation.hpp"

namespace dfascale::test {
namespace {

struct Case {
  std::int64_t rows, cols, gap;
};

constexpr Activation kinds[] = {Activation::relu, Activation::gelu, Activation::tanh};
constexpr Derivative derivatives[] = {Derivative::exact, Derivative::tanh};
constexpr double tolerance = 8 * eps;  // a few roundings and tanh's 4 ulp
/// 1 + tanh cancels for negative inputs: errors are relative to the terms, which |a| bounds.
double terms(const oracle::Dense& a) { return tolerance * (1 + largest(a.values)); }

class Activations : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Activations,
                         testing::Values(Case{1, 1, 0}, Case{3, 17, 2}, Case{17, 100, 0},
                                         Case{64, 2304, 0}, Case{0, 3, 0}, Case{3, 0, 0}));

TEST_P(Activations, ForwardEqualsTheOracle) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense a = random_dense(rows, cols, 1, 3.0);
  for (const Activation kind : kinds) {
    oracle::Dense wanted = a;
    for (double& value : wanted.values) value = oracle::activation(value, kind);
    const Grid in(a, gap), out(oracle::Dense(rows, cols), gap + 1);
    activation_forward(on, out.mat(), in.view(), kind);
    expect_close(out.host().values, wanted.values, tolerance, "z", terms(a));
    activation_forward(on, in.mat(), in.view(), kind);  // in place
    EXPECT_EQ(in.host().values, out.host().values);
  }
}

TEST_P(Activations, BackwardEqualsTheOracle) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense a = random_dense(rows, cols, 1, 3.0), dz = random_dense(rows, cols, 2);
  for (const Activation kind : kinds) {
    for (const Derivative derivative : derivatives) {
      oracle::Dense wanted = dz;
      for (std::size_t i = 0; i < a.values.size(); ++i) {
        wanted.values[i] *= oracle::slope(a.values[i], kind, derivative);
      }
      const Grid in(a, gap), upper(dz, gap), out(oracle::Dense(rows, cols), gap + 1);
      activation_backward(on, out.mat(), upper.view(), in.view(), kind, derivative);
      expect_close(out.host().values, wanted.values, tolerance, "da",
                   terms(a) * largest(dz.values));
      activation_backward(on, upper.mat(), upper.view(), in.view(), kind, derivative);  // in place
      EXPECT_EQ(upper.host().values, out.host().values);
    }
  }
}

TEST(Activations, HugeAndNonFiniteInputs) {
  const oracle::Dense a(1, 6, {1e20, -1e20, 1e38, -1e38, NAN, 30.0}),
      ones(1, 6, oracle::Values(6, 1.0));
  for (const Activation kind : kinds) {
    const Grid in(a, 0), upper(ones, 0), z(a, 0), da(a, 0);
    activation_forward(on, z.mat(), in.view(), kind);
    activation_backward(on, da.mat(), upper.view(), in.view(), kind, Derivative::exact);
    EXPECT_TRUE(std::isnan(z.host()(0, 4)));
    for (const std::int64_t c : {0, 1, 2, 3, 5}) {
      EXPECT_FLOAT_EQ(z.host()(0, c), oracle::activation(a(0, c), kind));
      EXPECT_FLOAT_EQ(da.host()(0, c), oracle::slope(a(0, c), kind, Derivative::exact));
    }
  }
}

TEST(ActivationOracle, SlopeEqualsFiniteDifferences) {
  for (const Activation kind : kinds) {
    for (const double a : {-3.0, -0.7, -0.01, 0.02, 0.4, 2.5}) {
      const auto f = [&](const oracle::Values& v) { return oracle::activation(v[0], kind); };
      EXPECT_NEAR(oracle::finite_differences(f, {a})[0], oracle::slope(a, kind, Derivative::exact),
                  1e-9);
    }
  }
}

}  // namespace
}  // namespace dfascale::test
