#include "kernels/tile.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/oracle/dense.hpp"

namespace dfascale::test {
namespace {

/// Columns in whole registers, terms, whether the left factor is turned.
struct Size {
  std::int64_t vectors, terms;
  bool is_turned;
};

class Tile : public testing::TestWithParam<Size> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Tile,
                         testing::Values(Size{1, 1, false}, Size{2, 17, false}, Size{3, 64, true},
                                         Size{4, 5, true}, Size{5, 128, false}, Size{7, 3, true},
                                         Size{1, 0, false}));

TEST_P(Tile, ProductEqualsTheOracle) {
  const auto [vectors, terms, is_turned] = GetParam();
  const std::int64_t cols = vectors * tile::lanes;
  const oracle::Dense a =
      is_turned ? random_dense(terms, tile::rows, 1) : random_dense(tile::rows, terms, 1);
  const oracle::Dense b = random_dense(terms, cols, 2), before = random_dense(tile::rows, cols, 3);
  const Grid left(a, 3), right(b, 5);
  for (const Into into : {Into::overwrite, Into::add}) {
    const Grid c(before, 7);
    tile::multiply(c.mat(), is_turned ? tile::turned(left.view()) : tile::plain(left.view()),
                   right.view(), terms, into);
    oracle::Dense wanted(tile::rows, cols);
    for (std::int64_t r = 0; r < tile::rows; ++r)
      for (std::int64_t col = 0; col < cols; ++col) {
        wanted(r, col) = into == Into::add ? before(r, col) : 0.0;
        for (std::int64_t k = 0; k < terms; ++k)
          wanted(r, col) += (is_turned ? a(k, r) : a(r, k)) * b(k, col);
      }
    expect_close(c.host().values, wanted.values, sum_tolerance(terms + 1), "product", eps);
  }
}

TEST(Tile, TurnsWhatIsNoWholeSquare) {
  for (const std::int64_t rows : {1, 8, 15, 16, 17, 40})
    for (const std::int64_t cols : {1, 3, 16, 33}) {
      const oracle::Dense from = random_dense(rows, tile::padded_cols(cols), 1);
      const std::int64_t whole = tile::padded_cols(rows);
      const Grid source(from, 0), turned(random_dense(cols, whole, 2), 4);
      tile::turn(turned.mat(), source.view());
      const oracle::Dense seen = turned.host();
      for (std::int64_t r = 0; r < cols; ++r)
        for (std::int64_t c = 0; c < whole; ++c)
          EXPECT_EQ(seen(r, c), c < rows ? static_cast<float>(from(c, r)) : 0.0f)
              << rows << " x " << cols << " at " << r << ", " << c;
    }
}

}  // namespace
}  // namespace dfascale::test
