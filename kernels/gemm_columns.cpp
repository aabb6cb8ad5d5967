#include "kernels/gemm_columns.hpp"

namespace dfascale {
namespace {

/// A row of the matrix is a column there.
Columns view(const ConstStored& m, Side side) {
  return {m.data, m.cols, m.rows, m.stride, m.precision, side};
}

}  // namespace

ColumnProduct by_columns(const Product& p, std::int64_t depth) {
  return {view(p.b, p.b_side), view(p.a, p.a_side), view(p.c, Side::plain), depth, p.bias.data};
}

std::int64_t alignment_of(const void* address) {
  constexpr std::uintptr_t most = 256;
  const auto bits = reinterpret_cast<std::uintptr_t>(address) | most;
  return static_cast<std::int64_t>(bits & -bits);
}

}  // namespace dfascale
