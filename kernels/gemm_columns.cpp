#include "kernels/gemm_columns.hpp"

namespace dfascale {
namespace {

/// A row of the matrix is a column there.
Columns view(const ConstMat& m, Side side) { return {m.data, m.cols, m.rows, m.stride, side}; }

}  // namespace

ColumnProduct by_columns(const Product& p, std::int64_t depth) {
  return {view(p.b.as<const float>(), p.b_side), view(p.a.as<const float>(), p.a_side),
          view(p.c.as<float>(), Side::plain), depth};
}

std::int64_t alignment_of(const void* address) {
  constexpr std::uintptr_t most = 256;
  const auto bits = reinterpret_cast<std::uintptr_t>(address) | most;
  return static_cast<std::int64_t>(bits & -bits);
}

}  // namespace dfascale
