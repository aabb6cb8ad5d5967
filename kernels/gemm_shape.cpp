// Shape checks and texts shared by all GEMM implementations.
#include "kernels/gemm_shape.hpp"

#include "base/error.hpp"

namespace dfascale {
namespace {

std::string extents(const char* name, const ConstStored& m) {
  return fmt::format("{} {}x{} (stride {}{})", name, m.rows, m.cols, m.stride,
                     m.precision == Precision::bf16 ? ", bf16" : "");
}

}  // namespace

std::string describe(const Product& p) {
  return fmt::format("{} {} {} * {}{}", extents("C", p.c), p.into == Into::add ? "+=" : "=",
                     extents(p.a_side == Side::turned ? "A^T" : "A", p.a),
                     extents(p.b_side == Side::turned ? "B^T" : "B", p.b),
                     p.bias ? fmt::format(" + bias {}", p.bias.size) : "");
}

std::int64_t checked_depth(const Product& p) {
  const bool a_plain = p.a_side == Side::plain, b_plain = p.b_side == Side::plain;
  const std::int64_t m = a_plain ? p.a.rows : p.a.cols, k = a_plain ? p.a.cols : p.a.rows;
  const std::int64_t depth = b_plain ? p.b.rows : p.b.cols, n = b_plain ? p.b.cols : p.b.rows;
  const bool fits = m == p.c.rows && n == p.c.cols && k == depth && p.c.stride >= p.c.cols &&
                    p.a.stride >= p.a.cols && p.b.stride >= p.b.cols &&
                    (!p.bias || p.bias.size == n) && p.a.precision == p.b.precision &&
                    (p.c.precision == Precision::f32 || p.a.precision == Precision::bf16);
  if (!fits)
    fail(Exit::device, "matrix product of shapes or precisions that do not fit: {}", describe(p));
  return k;
}

}  // namespace dfascale
