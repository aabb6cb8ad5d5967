// What every GEMM implementation asks first: do the shapes of a product fit together?
#pragma once

#include "kernels/gemm.hpp"

namespace dfascale {

/// The number of terms k of each sum.  Throws Error(Exit::device) with all shapes when they, or the
/// precisions, do not fit.
std::int64_t checked_depth(const Product& product);

/// "C 2x3 (stride 3) = A 2x4 (stride 4) * B^T 3x4 (stride 4)"
std::string describe(const Product& product);

}  // namespace dfascale
