// Tensors cut into pieces: every element once, in order, the same way wherever a tensor lies.
#include <numeric>

#include "optim/piece_table.hpp"
#include "tests/kernel/arrays.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t longest = PieceTable::piece_size;

/// The table's pieces, as the device has them.
std::vector<Piece> pieces_of(PieceTable table) {
  Arena arena;
  table.lay_out(arena, on);
  arena.commit();
  table.lay_out(arena, on);
  std::vector<Piece> pieces(static_cast<std::size_t>(table.size()));
  copy_to_host(on, pieces.data(), table.on_device().data, pieces.size() * sizeof(Piece));
  return pieces;
}

PieceTable table_of(const std::vector<Shard>& tensors) {
  PieceTable table;
  for (const Shard& tensor : tensors) table.add(tensor);
  return table;
}

TEST(PieceTable, HoldsEveryElementOnceAndInOrder) {
  const std::vector<Shard> tensors = {
      {7, 8}, {16, 16}, {16, 16 + longest}, {50000, 50001 + 2 * longest}, {3, 5}};
  const std::vector<Piece> pieces = pieces_of(table_of(tensors));
  auto piece = pieces.begin();
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    std::int64_t next = tensors[t].first;
    for (; piece != pieces.end() && piece->tensor == static_cast<std::int32_t>(t); ++piece) {
      EXPECT_EQ(piece->first, next);
      EXPECT_GT(piece->size, 0);
      EXPECT_LE(piece->size, longest);
      next += piece->size;
    }
    EXPECT_EQ(next, tensors[t].end) << "tensor " << t;
  }
  EXPECT_EQ(piece, pieces.end());
}

TEST(PieceTable, CutsByTheSizeOnly) {
  const std::int64_t size = 3 * longest + 11;
  const std::vector<Piece> one = pieces_of(table_of({{0, size}})),
                           other = pieces_of(table_of({{0, 5}, {77, 77 + size}}));
  ASSERT_EQ(one.size() + 1, other.size());
  for (std::size_t k = 0; k < one.size(); ++k) {
    EXPECT_EQ(one[k].first + 77, other[k + 1].first);
    EXPECT_EQ(one[k].size, other[k + 1].size);
  }
}

TEST(PieceTable, SumsEachTensorsPieces) {
  const PieceTable table = table_of({{0, 2 * longest + 1}, {9, 9}, {9, 10}});
  std::vector<double> numbers(
      static_cast<std::size_t>(table.size() + 2));  // what is not of a piece counts for nothing
  std::iota(numbers.begin(), numbers.end(), 1.0);
  EXPECT_EQ(table.sums(numbers), (std::vector<double>{1 + 2 + 3, 0, 4}));
}

}  // namespace
}  // namespace dfascale::test
