#include "kernels/reduce.hpp"
#include "tests/kernel/arrays.hpp"

namespace dfascale::test {
namespace {

class Reduce : public testing::TestWithParam<std::int64_t> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Reduce, testing::Values(0, 1, 3, 100, 4096, 4097, 1000003));

/// Sums in double of n terms.
double tolerance(std::int64_t n) { return 1e-15 * std::sqrt(n + 1.0); }

TEST_P(Reduce, EqualsTheOracle) {
  const std::int64_t n = GetParam();
  const oracle::Values x = random_values(n, 1), y = random_values(n, 2);
  const Array<float> device_x(to_float(x)), device_y(to_float(y));
  const Array<double> out(oracle::Values{7.0, 7.0, 7.0});
  sum_of_squares(on, out.data(), device_x.view());
  dot(on, out.data() + 1, device_x.view(), device_y.view());
  add_sum(on, out.data() + 2, device_x.view());
  double sum = 7.0;
  for (const double value : x) sum += value;
  EXPECT_NEAR(out.host()[0], oracle::inner(x, x), n * tolerance(n));
  EXPECT_NEAR(out.host()[1], oracle::inner(x, y), n * tolerance(n));
  EXPECT_NEAR(out.host()[2], sum, (n + 7) * tolerance(n));
}

TEST_P(Reduce, RepeatsItsBits) {
  const Array<float> x(to_float(random_values(GetParam(), 1)));
  const Array<double> out(oracle::Values{0.0, 1.0});
  sum_of_squares(on, out.data(), x.view());
  sum_of_squares(on, out.data() + 1, x.view());
  EXPECT_EQ(out.host()[0], out.host()[1]);
}

TEST(Reduce, NonFiniteValuesShow) {
  for (const float bad : {NAN, INFINITY}) {
    std::vector<float> values(5000, 1.0f);
    values[4500] = bad;
    const Array<float> x(values);
    const Array<double> out(oracle::Values(3));
    sum_of_squares(on, out.data(), x.view());
    dot(on, out.data() + 1, x.view(), x.view());
    add_sum(on, out.data() + 2, x.view());
    for (const double value : out.host()) EXPECT_FALSE(std::isfinite(value));
  }
}

TEST(Reduce, SquaresOfLargeValuesDoNotOverflow) {
  const Array<float> x(std::vector<float>(10, 1e30f));
  const Array<double> out(oracle::Values(1));
  sum_of_squares(on, out.data(), x.view());
  EXPECT_NEAR(out.host()[0], 1e61, 1e55);
}

}  // namespace
}  // namespace dfascale::test
