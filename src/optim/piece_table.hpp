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

  /// Takes device memory and, where there is some yet, fills it: what is only counted may be a
  /// model that this machine could not hold even the pieces of.
  void lay_out(Arena& arena, const Device& on);

  std::int64_t size() const { return size_; }  ///< in pieces
  /// In the order of tensors and of their elements.
  Pieces on_device() const { return on_device_; }

  /// Sums over each tensor's pieces, in order, of a number for each piece.
  std::vector<double> sums(const std::vector<double>& of_pieces) const;

 private:
  std::vector<Shard> tensors_;
  std::int64_t size_ = 0;
  Vector<Piece> on_device_;
};

}  // namespace dfascale
