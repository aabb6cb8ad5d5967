// What the kernels and products of a training step are for: names under which benches sum times.
#pragma once

#include <string>

#include "kernels/gemm.hpp"
#include "model/shape.hpp"

namespace dfascale {

/// "norm" for norm_forward; a kernel that is in no group has its own name.
std::string group_of_kernel(const std::string& kernel);

/// "linears: forward": by the product's shape and sides (model/linear.hpp, head.cpp,
/// feedback.cpp).  Where sizes coincide (V = 4 D) the names of two purposes do too.
const char* purpose(const Product& product, const Shape& shape);

}  // namespace dfascale
