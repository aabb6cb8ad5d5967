// A row-major product as libraries see it that store columns (cuBLASLt): C^T = op(B)^T op(A)^T, so
// the operands change places, and what lies in memory stays as it is.
#pragma once

#include "kernels/gemm.hpp"

namespace dfascale {

/// Element (r, c) is number r + c * stride from data on; turned before it is multiplied, or not.
struct Columns {
  const void* data;
  std::int64_t rows, cols, stride;
  Precision precision;
  Side side;
};

/// result (n x m) = op(first) op(second) + beta * result [+ bias on every column], with m,
/// n of the row-major C (m x n): its bias has an element for each row of the result.
struct ColumnProduct {
  Columns first;       ///< B; op(first) is n x k
  Columns second;      ///< A; op(second) is k x m
  Columns result;      ///< C
  std::int64_t depth;  ///< k
  const void* bias;    ///< null without one
};

/// `depth` as checked_depth says.
ColumnProduct by_columns(const Product& product, std::int64_t depth);

/// The largest power of two, at most 256, that divides an address: what a library may rely on when
/// it chooses how wide to read.
std::int64_t alignment_of(const void* address);

}  // namespace dfascale
