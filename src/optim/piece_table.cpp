#include "optim/piece_table.hpp"

#include <algorithm>

namespace dfascale {

void PieceTable::add(const Shard& tensor) {
  for (std::int64_t first = tensor.first; first < tensor.end; first += piece_size)
    pieces_.push_back({first, static_cast<std::int32_t>(std::min(piece_size, tensor.end - first)),
                       static_cast<std::int32_t>(tensors_)});
  ++tensors_;
}

void PieceTable::lay_out(Arena& arena, const Device& on) {
  on_device_ = arena.vector<Piece>(static_cast<std::int64_t>(pieces_.size()));
  if (on_device_)
    copy_to_device(on, on_device_.data, pieces_.data(), pieces_.size() * sizeof(Piece));
}

std::vector<double> PieceTable::sums(const std::vector<double>& of_pieces) const {
  std::vector<double> sums(tensors_);
  for (std::size_t k = 0; k < pieces_.size(); ++k)
    sums[static_cast<std::size_t>(pieces_[k].tensor)] += of_pieces[k];
  return sums;
}

}  // namespace dfascale
