#include "kernels/math.hpp"
#include "tests/kernel/arrays.hpp"

namespace dfascale::test {
namespace {

/// |got - wanted| in units of the last place of wanted; below the normal numbers, of their spacing.
double ulps(float got, double wanted) {
  const double spacing = std::max(std::ldexp(1.0, std::ilogb(wanted) - 23), std::ldexp(1.0, -149));
  return std::abs(got - wanted) / spacing;
}

/// The largest error over [low, high].
template <class F, class Exact>
double worst(double low, double high, const F& f, const Exact& exact) {
  double result = 0;
  const int steps = 1000003;
  for (int i = 0; i <= steps; ++i) {
    const float x = static_cast<float>(low + (high - low) * i / steps);
    result = std::max(result, ulps(f(x), exact(static_cast<double>(x))));
  }
  return result;
}

double exact_exp(double x) { return std::exp(x); }
double exact_tanh(double x) { return std::tanh(x); }

TEST(Math, ExpIsAccurateOverTheWholeRange) {
  EXPECT_LE(worst(-87, 88.7, math::exp, exact_exp), 2);
  EXPECT_LE(worst(-1, 1, math::exp, exact_exp), 2);
  EXPECT_LE(worst(-103, -87, math::exp, exact_exp), 2);  // subnormal results
}

TEST(Math, ExpOutsideTheRange) {
  EXPECT_EQ(math::exp(0.0f), 1.0f);
  EXPECT_EQ(math::exp(-110.0f), 0.0f);
  EXPECT_EQ(math::exp(-3e38f), 0.0f);
  EXPECT_EQ(math::exp(-INFINITY), 0.0f);
  EXPECT_EQ(math::exp(88.8f), INFINITY);
  EXPECT_EQ(math::exp(3e38f), INFINITY);
  EXPECT_EQ(math::exp(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(math::exp(NAN)));
}

TEST(Math, ExpOfNegativeIsAccurateAndFlushesWhatIsTooSmall) {
  EXPECT_LE(worst(-87, 0, math::exp_of_negative, exact_exp), 2);
  EXPECT_LE(worst(-1, 0, math::exp_of_negative, exact_exp), 2);
  EXPECT_EQ(math::exp_of_negative(0.0f), 1.0f);
  for (const float x : {-87.5f, -3e38f, -INFINITY}) {
    EXPECT_GE(math::exp_of_negative(x), 0.0f);
    EXPECT_LE(math::exp_of_negative(x), 2e-38f);
  }
  EXPECT_TRUE(std::isnan(math::exp_of_negative(NAN)));
}

TEST(Math, TanhIsAccurateOverTheWholeRange) {
  EXPECT_LE(worst(-12, 12, math::tanh, exact_tanh), 4);
  EXPECT_LE(worst(-0.5, 0.5, math::tanh, exact_tanh), 4);
  EXPECT_LE(worst(1e-30, 1e-3, math::tanh, exact_tanh), 4);
}

TEST(Math, TanhOutsideTheRange) {
  EXPECT_EQ(math::tanh(0.0f), 0.0f);
  EXPECT_TRUE(std::signbit(math::tanh(-0.0f)));
  EXPECT_EQ(math::tanh(1e-40f), 1e-40f);
  EXPECT_EQ(math::tanh(INFINITY), 1.0f);
  EXPECT_EQ(math::tanh(-3e38f), -1.0f);
  EXPECT_TRUE(std::isnan(math::tanh(NAN)));
}

}  // namespace
}  // namespace dfascale::test
