// Tensors of a buffer, cut into pieces for kernels that go over all of them (kernels/piece.hpp).
#pragma once

#include <vector>

#include "kernels/piece.hpp"
#include "model/arena.hpp"
#include "optim/shard.hpp"

namespace dfascale {

/// How a tensor is cut depends on its size only, so that sums by pieces have the same bits wherever
/// it lies.
class PieceTable {
 public:
  /// Long enough to keep a block of threads busy, and short beside all that a device works on at
  /// once.
  static constexpr std::int64_t piece_size = 8192;

  /// The next tensor, by where it lies in the buffer; it may be empty.
  void add(const Shard& tensor);

  /// Takes device memory and, where there is some yet, fills it.
  void lay_out(Arena& arena, const Device& on);

  std::size_t size() const { return pieces_.size(); }
  /// In the order of tensors and of their elements.
  Pieces on_device() const { return on_device_; }

  /// Sums over each tensor's pieces, in order, of a number for each piece.
  std::vector<double> sums(const std::vector<double>& of_pieces) const;

 private:
  std::size_t tensors_ = 0;
  std::vector<Piece> pieces_;
  Vector<Piece> on_device_;
};

}  // namespace dfascale
