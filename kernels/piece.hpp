// Many tensors in one launch: kernels that go over all tensors of a buffer take them as pieces of
// bounded size, one piece a row, so that work is even however large or small the tensors are.
#pragma once

#include <cstdint>

#include "kernels/span.hpp"

namespace dfascale {

/// Consecutive elements of one tensor.
struct Piece {
  std::int64_t first;  ///< in the buffer
  std::int32_t size, tensor;
};

using Pieces = Vector<const Piece>;

}  // namespace dfascale
