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

/// Every combination of stored or turned operands, overwrite or add, bias or none.
struct Case {
  Size size;
  Side a, b;
  Into into;
  bool bias;
  std::int64_t gap;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Size size :
       {Size{1, 1, 1}, Size{3, 17, 5}, Size{64, 100, 33}, Size{130, 65, 257}, Size{17, 300, 1}}) {
    for (int bits = 0; bits < 32; ++bits) {
      const auto side = [&](int bit) { return bits & bit ? Side::turned : Side::plain; };
      all.push_back({size, side(1), side(2), bits & 4 ? Into::add : Into::overwrite,
                     (bits & 8) != 0, bits & 16 ? 0 : 7});
    }
  }
  return all;
}

struct Operands {
  oracle::Dense a, b, c;
  oracle::Values bias;
};

oracle::Dense operand(std::int64_t rows, std::int64_t cols, Side side, std::uint32_t name) {
  return side == Side::plain ? random_dense(rows, cols, name) : random_dense(cols, rows, name);
}

Operands operands_of(const Case& t) {
  const auto [m, n, k] = t.size;
  return {operand(m, k, t.a, 1), operand(k, n, t.b, 2), random_dense(m, n, 3), random_values(n, 4)};
}

/// Matrices that bf16 holds exactly; a bias is always float.
Operands rounded(const Operands& of) {
  return {test::rounded(of.a), test::rounded(of.b), test::rounded(of.c), of.bias};
}

/// Runs the product with `run` and returns C.  Factor and Result: Grid or HalfGrid.
template <class Factor, class Result, class Run>
oracle::Dense result(const Case& t, const Operands& of, const Run& run) {
  const Factor a(of.a, t.gap), b(of.b, t.gap + 1);
  const Result c(of.c, t.gap);
  const Array<float> bias(to_float(of.bias));
  run(Product{c.mat(), a.view(), t.a, b.view(), t.b, t.into, t.bias ? bias.view() : ConstVec{}});
  return c.host();
}

/// The oracle, apart from gemm_reference, which is tested against it too.
oracle::Values wanted(const Case& t, const Operands& of) {
  const auto& [a, b, before, bias] = of;
  oracle::Dense c = before;
  for (std::int64_t i = 0; i < c.rows; ++i) {
    for (std::int64_t j = 0; j < c.cols; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < t.size.k; ++l) {
        sum += (t.a == Side::plain ? a(i, l) : a(l, i)) * (t.b == Side::plain ? b(l, j) : b(j, l));
      }
      c(i, j) = sum + (t.bias ? bias[j] : 0) + (t.into == Into::add ? before(i, j) : 0);
    }
  }
  return c.values;
}

TEST(Gemm, EveryCombinationEqualsTheOracle) {
  Gemm gemm(on);
  for (const Case& t : cases()) {
    const std::string what = "m " + std::to_string(t.size.m) + " a " + std::to_string(int(t.a)) +
                             " b " + std::to_string(int(t.b)) + " into " +
                             std::to_string(int(t.into)) + " bias " + std::to_string(t.bias) +
                             " gap " + std::to_string(t.gap);
    const Operands of = operands_of(t);
    expect_close(result<Grid, Grid>(t, of, [&](const Product& p) { gemm(p); }).values,
                 wanted(t, of), sum_tolerance(t.size.k), what);
  }
}

TEST(Gemm, ReferenceEqualsTheOracle) {
  if (!device_memory_is_host()) GTEST_SKIP() << "the reference works in host memory";
  for (const Case& t : cases()) {
    const Operands of = operands_of(t), half = rounded(of);
    expect_close(result<Grid, Grid>(t, of, gemm_reference).values, wanted(t, of), eps, "float");
    expect_close(result<HalfGrid, HalfGrid>(t, half, gemm_reference).values, wanted(t, half),
                 half_spacing, "bf16");
  }
}

/// A bf16 result is rounded once, or twice where bias and sum go through it.  GPUs round the bias
/// before it is added (docs/numerics.md).
void expect_half(const oracle::Dense& got, const oracle::Values& wanted,
                 const oracle::Values& bias) {
  expect_close(got.values, wanted, 2 * half_spacing, "bf16 result",
               device_memory_is_host() ? 0 : half_spacing * largest(bias));
}

/// Operands in bf16, the result in float or bf16, against the oracle on the same rounded operands.
TEST(Gemm, HalfPrecisionEqualsTheOracle) {
  Gemm gemm(on);
  const auto run = [&](const Product& p) { gemm(p); };
  for (const Case& t : cases()) {
    const Operands of = rounded(operands_of(t));
    const oracle::Values exact = wanted(t, of);
    expect_close(result<HalfGrid, Grid>(t, of, run).values, exact, sum_tolerance(t.size.k),
                 "float result");
    expect_half(result<HalfGrid, HalfGrid>(t, of, run), exact, of.bias);
  }
}

/// Results of millions of elements are made in stripes.
TEST(Gemm, HalfPrecisionOfLargeResults) {
  Gemm gemm(on);
  for (const Side side : {Side::plain, Side::turned}) {
    const Case t{{50, 90001, 3}, Side::plain, side, Into::overwrite, true, 1};
    const Operands of = rounded(operands_of(t));
    expect_half(result<HalfGrid, HalfGrid>(t, of, [&](const Product& p) { gemm(p); }),
                wanted(t, of), of.bias);
  }
}

/// More rows, columns and terms than a block of widened copies has, one at a time.
TEST(Gemm, HalfPrecisionOfSeveralBlocks) {
  if (!device_memory_is_host()) GTEST_SKIP() << "GPUs widen nothing";
  Gemm gemm(on);
  for (const auto& [m, n, k] : {Size{2100, 9, 30}, Size{9, 2100, 30}, Size{20, 15, 5000}}) {
    const Array<float> bias(to_float(random_values(n, 4)));
    for (const Side side : {Side::plain, Side::turned})
      for (const Into into : {Into::overwrite, Into::add}) {
        const HalfGrid a(operand(m, k, side, 1), 3), b(operand(k, n, side, 2), 0);
        const oracle::Dense before = test::rounded(random_dense(m, n, 3));
        const HalfGrid half(before, 1), half_wanted(before, 0);
        const Grid whole(before, 1), wanted(before, 0);
        const auto product = [&](const Stored& c) {
          return Product{c, a.view(), side, b.view(), side, into, bias.view()};
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

/// Sums of no terms.
template <class Array2d>
void expect_empty_products() {
  Gemm gemm(on);
  const Array2d c(oracle::Dense(2, 3, oracle::Values(6, 5.0)), 1);
  const Array<float> bias(std::vector<float>{1, 2, 3});
  const ConstStored a = c.view().rows_from(0, 2).cols_from(0, 0), b = c.view().rows_from(0, 0);
  gemm({.c = c.mat(), .a = a, .b = b, .into = Into::add});
  EXPECT_EQ(c.host().values, oracle::Values(6, 5.0));
  gemm({.c = c.mat(), .a = a, .b = b, .into = Into::add, .bias = bias.view()});
  EXPECT_EQ(c.host().values, (oracle::Values{6, 7, 8, 6, 7, 8}));
  gemm({.c = c.mat(), .a = a, .b = b, .bias = bias.view()});
  EXPECT_EQ(c.host().values, (oracle::Values{1, 2, 3, 1, 2, 3}));
  gemm({.c = c.mat(), .a = a, .b = b});
  EXPECT_EQ(c.host().values, oracle::Values(6, 0.0));
  gemm(
      {.c = c.mat().rows_from(0, 0), .a = c.view().rows_from(0, 0).cols_from(0, 2), .b = c.view()});
}

TEST(Gemm, EmptyProducts) {
  expect_empty_products<Grid>();
  expect_empty_products<HalfGrid>();
}

template <class Array2d>
void expect_non_finite_inputs_show() {
  Gemm gemm(on);
  for (const Case& t : cases()) {
    if (t.size.m != 64 || t.bias) continue;
    for (const float bad : {NAN, INFINITY}) {
      Operands of = operands_of(t);
      of.a(3, 3) = bad;
      const oracle::Dense c = result<Array2d, Array2d>(t, of, [&](const Product& p) { gemm(p); });
      for (std::int64_t j = 0; j < c.cols; ++j) ASSERT_FALSE(std::isfinite(c(3, j)));
    }
  }
}

TEST(Gemm, NonFiniteInputsShow) {
  expect_non_finite_inputs_show<Grid>();
  expect_non_finite_inputs_show<HalfGrid>();
}

template <class Array2d>
void expect_overwritten() {
  Gemm gemm(on);
  for (const Case& t : cases()) {
    if (t.into == Into::add || t.gap != 0) continue;
    Operands of = operands_of(t);
    for (double& value : of.c.values) value = NAN;
    const oracle::Dense c = result<Array2d, Array2d>(t, of, [&](const Product& p) { gemm(p); });
    for (const double value : c.values) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(Gemm, OverwriteIgnoresWhatWasThere) {
  expect_overwritten<Grid>();
  expect_overwritten<HalfGrid>();
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
