#include "optim/piece_table.hpp"

#include <algorithm>
#include <numeric>

namespace dfascale {
namespace {

std::int64_t pieces_in(const Shard& tensor) {
  return (tensor.size() + PieceTable::piece_size - 1) / PieceTable::piece_size;
}

std::vector<Piece> cut(const std::vector<Shard>& tensors) {
  std::vector<Piece> pieces;
  for (std::size_t t = 0; t < tensors.size(); ++t)
    for (std::int64_t k = 0; k < pieces_in(tensors[t]); ++k) {
      const std::int64_t first = tensors[t].first + k * PieceTable::piece_size;
      const std::int64_t size = std::min(PieceTable::piece_size, tensors[t].end - first);
      pieces.push_back({first, static_cast<std::int32_t>(size), static_cast<std::int32_t>(t)});
    }
  return pieces;
}

}  // namespace

void PieceTable::add(const Shard& tensor) {
  tensors_.push_back(tensor);
  size_ += pieces_in(tensor);
}

void PieceTable::lay_out(Arena& arena, const Device& on) {
  on_device_ = arena.vector<Piece>(size_);
  if (!on_device_) return;
  const std::vector<Piece> pieces = cut(tensors_);
  copy_to_device(on, on_device_.data, pieces.data(), pieces.size() * sizeof(Piece));
}

std::vector<double> PieceTable::sums(const std::vector<double>& of_pieces) const {
  std::vector<double> sums;
  auto next = of_pieces.begin();
  for (const Shard& tensor : tensors_) {
    const auto end = next + pieces_in(tensor);
    sums.push_back(std::accumulate(next, end, 0.0));
    next = end;
  }
  return sums;
}

}  // namespace dfascale
