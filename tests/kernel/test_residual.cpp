#include "kernels/residual.hpp"
#include "tests/kernel/arrays.hpp"

namespace dfascale::test {
namespace {

struct Case {
  std::int64_t rows, cols, gap;
};

class Residual : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Residual,
                         testing::Values(Case{1, 1, 0}, Case{3, 17, 2}, Case{17, 3, 0},
                                         Case{100, 64, 1}, Case{2048, 576, 0}, Case{3, 257, 0},
                                         Case{0, 5, 0}, Case{5, 0, 0}));

TEST_P(Residual, AddsMatrices) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense a = random_dense(rows, cols, 1), b = random_dense(rows, cols, 2);
  oracle::Dense sum(rows, cols);
  for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] = a.values[i] + b.values[i];
  const Grid device_a(a, gap), device_b(b, 0), y(oracle::Dense(rows, cols), gap + 1);
  add(on, y.mat(), device_a.view(), device_b.view());
  expect_close(y.host().values, sum.values, eps, "a + b");
  add(on, device_a.mat(), device_a.view(), device_b.view());  // y is a
  EXPECT_EQ(device_a.host().values, y.host().values);
  add(on, device_b.mat(), Grid(a, 0).view(), device_b.view());  // y is b
  EXPECT_EQ(device_b.host().values, y.host().values);
}

TEST_P(Residual, CopiesFillsAndScales) {
  const std::int64_t n = GetParam().rows * GetParam().cols;
  const std::vector<float> values = to_float(random_values(n, 1));
  const Array<float> a(values), y(std::vector<float>(values.size()));
  copy(on, y.vec(), a.view());
  EXPECT_EQ(y.host(), values);
  scale(on, y.vec(), -0.5f);
  std::vector<float> halves = values;
  for (float& value : halves) value *= -0.5f;
  EXPECT_EQ(y.host(), halves);
  fill(on, y.vec(), 3.25f);
  EXPECT_EQ(y.host(), std::vector<float>(values.size(), 3.25f));
}

TEST_P(Residual, BiasGradientAddsTheOracle) {
  const auto [rows, cols, gap] = GetParam();
  const oracle::Dense dy = random_dense(rows, cols, 1);
  oracle::Values dbias = random_values(cols, 2);
  const Array<float> device_dbias(to_float(dbias));
  const Grid device_dy(dy, gap);
  bias_backward(on, device_dbias.vec(), device_dy.view());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) dbias[c] += dy(r, c);
  }
  expect_close(to_double(device_dbias.host()), dbias, sum_tolerance(rows), "dbias");
}

}  // namespace
}  // namespace dfascale::test
