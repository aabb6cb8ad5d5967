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

/// Pieces of every size that goes another way through a row's sum, side by side from `first` on.
std::vector<Piece> pieces_from(std::int64_t first) {
  std::vector<Piece> pieces;
  for (const std::int32_t size : {0, 1, 15, 16, 17, 63, 64, 576, 1023, 1025, 4097, 8192}) {
    pieces.push_back({first, size, static_cast<std::int32_t>(pieces.size())});
    first += size;
  }
  return pieces;
}

TEST(Reduce, PiecesEqualTheOracle) {
  const std::vector<Piece> pieces = pieces_from(3);
  const std::int64_t n = pieces.back().first + pieces.back().size;
  const oracle::Values x = random_values(n + 5, 1);
  const Array<float> device_x(to_float(x));
  const Array<Piece> device_pieces(pieces);
  const Array<double> out(oracle::Values(pieces.size() + 1, 7.0));
  piece_squares(on, out.vec(), device_x.view(), device_pieces.view());
  for (std::size_t k = 0; k < pieces.size(); ++k) {
    const auto begin = x.begin() + pieces[k].first;
    const oracle::Values part(begin, begin + pieces[k].size);
    EXPECT_NEAR(out.host()[k], oracle::inner(part, part), pieces[k].size * tolerance(n)) << k;
  }
  EXPECT_EQ(out.host().back(), 7.0);
}

TEST(Reduce, PiecesHaveTheSameBitsElsewhere) {
  const std::vector<Piece> here = pieces_from(0), there = pieces_from(5);
  const std::int64_t n = here.back().first + here.back().size;
  const std::vector<float> x = to_float(random_values(n, 1));
  std::vector<float> moved(5, 9.0f);
  moved.insert(moved.end(), x.begin(), x.end());
  const Array<float> device_x(x), device_moved(moved);
  const Array<Piece> device_here(here), device_there(there);
  const Array<double> one{oracle::Values(here.size())}, other{oracle::Values(here.size())};
  piece_squares(on, one.vec(), device_x.view(), device_here.view());
  piece_squares(on, other.vec(), device_moved.view(), device_there.view());
  EXPECT_EQ(one.host(), other.host());
}

TEST(Reduce, NonFiniteValuesShow) {
  for (const float bad : {NAN, INFINITY}) {
    std::vector<float> values(5000, 1.0f);
    values[4500] = bad;
    const Array<float> x(values);
    const Array<Piece> pieces({{4000, 1000, 0}, {0, 4000, 0}});
    const Array<double> out(oracle::Values(5));
    sum_of_squares(on, out.data(), x.view());
    dot(on, out.data() + 1, x.view(), x.view());
    add_sum(on, out.data() + 2, x.view());
    piece_squares(on, out.vec().part(3, 2), x.view(), pieces.view());
    for (int i = 0; i < 4; ++i) EXPECT_FALSE(std::isfinite(out.host()[i])) << i;
    EXPECT_EQ(out.host()[4], 4000.0);
  }
}

TEST(Reduce, SquaresOfLargeValuesDoNotOverflow) {
  const Array<float> x(std::vector<float>(10, 1e30f));
  const Array<Piece> whole({{0, 10, 0}});
  const Array<double> out(oracle::Values(2));
  sum_of_squares(on, out.data(), x.view());
  piece_squares(on, out.vec().part(1, 1), x.view(), whole.view());
  for (const double sum : out.host()) EXPECT_NEAR(sum, 1e61, 1e55);
}

}  // namespace
}  // namespace dfascale::test
