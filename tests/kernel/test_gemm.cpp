#include "kernels/gemm.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/support/errors.hpp"

namespace dfascale::test {
namespace {

struct Size {
  std::int64_t m, n, k;
};

/// Half the relative distance of neighbours in bf16.
constexpr double half_spacing = 0x1p-8;

/// Every combination of stored or turned operands, overwrite or add, bias or none, and two alphas.
struct Case {
  Size size;
  Side a, b;
  Into into;
  bool bias;
  float alpha;
  std::int64_t gap;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Size size :
       {Size{1, 1, 1}, Size{3, 17, 5}, Size{64, 100, 33}, Size{130, 65, 257}, Size{17, 300, 1}}) {
    for (int bits = 0; bits < 64; ++bits) {
      const auto side = [&](int bit) { return bits & bit ? Side::turned : Side::plain; };
      all.push_back({size, side(1), side(2), bits & 4 ? Into::add : Into::overwrite,
                     (bits & 8) != 0, bits & 16 ? 1.0f : -0.375f, bits & 32 ? 0 : 7});
    }
  }
  return all;
}

oracle::Dense operand(std::int64_t rows, std::int64_t cols, Side side, std::uint32_t name) {
  return side == Side::plain ? random_dense(rows, cols, name) : random_dense(cols, rows, name);
}

/// Runs the product with `run` and returns C.
template <class Run>
oracle::Dense result(const Case& t, const Run& run) {
  const auto [m, n, k] = t.size;
  const Grid a(operand(m, k, t.a, 1), t.gap), b(operand(k, n, t.b, 2), t.gap + 1);
  const Grid c(random_dense(m, n, 3), t.gap);
  const Array<float> bias(to_float(random_values(n, 4)));
  run({c.mat(), a.view(), t.a, b.view(), t.b, t.into, t.alpha, t.bias ? bias.view() : ConstVec{}});
  return c.host();
}

/// The oracle, apart from gemm_reference, which is tested against it too.
oracle::Dense wanted(const Case& t) {
  const auto [m, n, k] = t.size;
  const oracle::Dense a = operand(m, k, t.a, 1), b = operand(k, n, t.b, 2);
  const oracle::Values bias = random_values(n, 4);
  oracle::Dense c = random_dense(m, n, 3);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        sum += (t.a == Side::plain ? a(i, l) : a(l, i)) * (t.b == Side::plain ? b(l, j) : b(j, l));
      }
      c(i, j) = t.alpha * sum + (t.bias ? bias[j] : 0) + (t.into == Into::add ? c(i, j) : 0);
    }
  }
  return c;
}

TEST(Gemm, EveryCombinationEqualsTheOracle) {
  Gemm gemm(on);
  for (const Case& t : cases()) {
    const std::string what = "m " + std::to_string(t.size.m) + " a " + std::to_string(int(t.a)) +
                             " b " + std::to_string(int(t.b)) + " into " +
                             std::to_string(int(t.into)) + " bias " + std::to_string(t.bias) +
                             " gap " + std::to_string(t.gap);
    const oracle::Dense c = wanted(t);
    expect_close(result(t, [&](const Product& p) { gemm(p); }).values, c.values,
                 sum_tolerance(t.size.k), what);
  }
}

TEST(Gemm, ReferenceEqualsTheOracle) {
  if (!device_memory_is_host()) GTEST_SKIP() << "the reference works in host memory";
  for (const Case& t : cases()) {
    expect_close(result(t, gemm_reference).values, wanted(t).values, eps, "reference");
  }
}

/// Operands in bf16, the result in float or bf16, against the oracle on the same rounded operands.
TEST(Gemm, HalfPrecisionEqualsTheOracle) {
  if (Gemm::support(Precision::bf16) == Support::none) GTEST_SKIP() << "f32 only";
  Gemm gemm(on);
  for (const Case& t : cases()) {
    const auto [m, n, k] = t.size;
    const oracle::Dense left = rounded(operand(m, k, t.a, 1)),
                        right = rounded(operand(k, n, t.b, 2));
    const oracle::Dense before = rounded(random_dense(m, n, 3));
    const oracle::Values bias = random_values(n, 4);
    const HalfGrid a(left, t.gap), b(right, t.gap + 1), half(before, t.gap);
    const Grid whole(before, t.gap);
    const Array<float> device_bias(to_float(bias));
    const auto product = [&](const Stored& c) {
      return Product{c,   a.view(), t.a,     b.view(),
                     t.b, t.into,   t.alpha, t.bias ? device_bias.view() : ConstVec{}};
    };
    oracle::Dense wanted = before;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t l = 0; l < k; ++l)
          sum += (t.a == Side::plain ? left(i, l) : left(l, i)) *
                 (t.b == Side::plain ? right(l, j) : right(j, l));
        wanted(i, j) =
            t.alpha * sum + (t.bias ? bias[j] : 0) + (t.into == Into::add ? before(i, j) : 0);
      }
    }
    gemm(product(whole.mat()));
    expect_close(whole.host().values, wanted.values, sum_tolerance(k), "float result");
    gemm(product(half.mat()));
    // Rounded once, or twice where bias and sum go through the result.
    const double twice = 2 * half_spacing;
    expect_close(half.host().values, wanted.values, twice, "bf16 result");
    HalfGrid again(before, t.gap);
    gemm_reference(product(again.mat()));
    expect_close(again.host().values, wanted.values, half_spacing, "reference");
  }
}

/// Results of millions of elements are made in stripes.
TEST(Gemm, HalfPrecisionOfLargeResults) {
  if (Gemm::support(Precision::bf16) == Support::none) GTEST_SKIP() << "f32 only";
  Gemm gemm(on);
  const std::int64_t m = 50, n = 90001, k = 3;
  const HalfGrid a(random_dense(m, k, 1), 0), plain(random_dense(k, n, 2), 1),
      turned(random_dense(n, k, 3), 2);
  const HalfGrid found(oracle::Dense(m, n), 5), expected(oracle::Dense(m, n), 0);
  const Array<float> bias(to_float(random_values(n, 4)));
  for (const Side side : {Side::plain, Side::turned}) {
    const ConstStored b = side == Side::plain ? plain.view() : turned.view();
    gemm({found.mat(), a.view(), Side::plain, b, side, Into::overwrite, 1.0f, bias.view()});
    gemm_reference(
        {expected.mat(), a.view(), Side::plain, b, side, Into::overwrite, 1.0f, bias.view()});
    expect_close(found.host().values, expected.host().values, half_spacing, "large result");
  }
}

/// More rows, columns and terms than a block of widened copies has, one at a time.
TEST(Gemm, HalfPrecisionOfSeveralBlocks) {
  if (Gemm::support(Precision::bf16) == Support::none) GTEST_SKIP() << "f32 only";
  Gemm gemm(on);
  for (const auto& [m, n, k] : {Size{2100, 9, 30}, Size{9, 2100, 30}, Size{20, 15, 5000}}) {
    const Array<float> bias(to_float(random_values(n, 4)));
    for (const Side side : {Side::plain, Side::turned})
      for (const Into into : {Into::overwrite, Into::add}) {
        const HalfGrid a(operand(m, k, side, 1), 3), b(operand(k, n, side, 2), 0);
        const oracle::Dense before = rounded(random_dense(m, n, 3));
        const HalfGrid half(before, 1), half_wanted(before, 0);
        const Grid whole(before, 1), wanted(before, 0);
        const auto product = [&](const Stored& c) {
          return Product{c, a.view(), side, b.view(), side, into, 0.5f, bias.view()};
        };
        gemm(product(whole.mat()));
        gemm_reference(product(wanted.mat()));
        expect_close(whole.host().values, wanted.host().values, sum_tolerance(k), "float result");
        gemm(product(half.mat()));
        gemm_reference(product(half_wanted.mat()));
        expect_close(half.host().values, half_wanted.host().values, 2 * half_spacing,
                     "bf16 result");
      }
  }
}

TEST(Gemm, HalfPrecisionOfSeveralIsRefused) {
  Gemm gemm(on);
  const Grid whole(oracle::Dense(4, 4), 0);
  const HalfGrid half(oracle::Dense(4, 4), 0);
  expect_error(Exit::device, {"A 4x4", "B 4x4", "bf16"},
               [&] { gemm({.c = whole.mat(), .a = half.view(), .b = whole.view()}); });
  expect_error(Exit::device, {"C 4x4", "bf16"},
               [&] { gemm({.c = half.mat(), .a = whole.view(), .b = whole.view()}); });
}

TEST(Gemm, EmptyProducts) {
  Gemm gemm(on);
  const Grid c(oracle::Dense(2, 3, oracle::Values(6, 5.0)), 0);
  const Array<float> bias(std::vector<float>{1, 2, 3});
  const ConstMat a(c.view().data, 2, 0), b(c.view().data, 0, 3);
  gemm({.c = c.mat(), .a = a, .b = b, .into = Into::add});
  EXPECT_EQ(c.host().values, oracle::Values(6, 5.0));
  gemm({.c = c.mat(), .a = a, .b = b, .bias = bias.view()});
  EXPECT_EQ(c.host().values, (oracle::Values{1, 2, 3, 1, 2, 3}));
  gemm({.c = Mat(nullptr, 0, 3), .a = ConstMat(nullptr, 0, 2), .b = ConstMat(c.view().data, 2, 3)});
}

TEST(Gemm, NonFiniteInputsShow) {
  Gemm gemm(on);
  for (const Case& t : cases()) {
    if (t.size.m != 64) continue;
    const auto [m, n, k] = t.size;
    for (const float bad : {NAN, INFINITY}) {
      oracle::Dense values = operand(m, k, t.a, 1);
      values(3, 3) = bad;
      const Grid a(values, 0), b(operand(k, n, t.b, 2), 0), c(random_dense(m, n, 3), 0);
      gemm({.c = c.mat(),
            .a = a.view(),
            .a_side = t.a,
            .b = b.view(),
            .b_side = t.b,
            .into = t.into,
            .alpha = t.alpha});
      for (std::int64_t j = 0; j < n; ++j) ASSERT_FALSE(std::isfinite(c.host()(3, j)));
    }
  }
}

TEST(Gemm, OverwriteIgnoresWhatWasThere) {
  Gemm gemm(on);
  for (Case t : cases()) {
    if (t.into == Into::add) continue;
    const auto [m, n, k] = t.size;
    const Grid a(operand(m, k, t.a, 1), 0), b(operand(k, n, t.b, 2), 0);
    const Grid c(oracle::Dense(m, n, oracle::Values(m * n, NAN)), 0);
    gemm({.c = c.mat(),
          .a = a.view(),
          .a_side = t.a,
          .b = b.view(),
          .b_side = t.b,
          .alpha = t.alpha});
    for (const double value : c.host().values) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(Gemm, RefusesShapesThatDoNotFit) {
  Gemm gemm(on);
  const Grid m(oracle::Dense(4, 4), 0);
  expect_error(Exit::device, {"C 4x4", "A 4x4", "B 3x4"},
               [&] { gemm({.c = m.mat(), .a = m.view(), .b = m.view().rows_from(0, 3)}); });
}

TEST(Gemm, NamesItsLibrary) { EXPECT_FALSE(Gemm::library().empty()); }

}  // namespace
}  // namespace dfascale::test
