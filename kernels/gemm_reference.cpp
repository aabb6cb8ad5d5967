// Matrix products by a loop with sums in double: the oracle of the libraries, and the whole GEMM
// where none is built in (-DDFASCALE_GEMM=reference).  Host memory only.
#include "kernels/gemm.hpp"
#include "kernels/gemm_shape.hpp"

namespace dfascale {
namespace {

double element(const ConstStored& m, std::int64_t r, std::int64_t c) {
  const std::int64_t at = r * m.stride + c;
  return static_cast<double>(m.precision == Precision::f32
                                 ? static_cast<const float*>(m.data)[at]
                                 : float(static_cast<const Bf16*>(m.data)[at]));
}

void store(const Stored& m, std::int64_t r, std::int64_t c, double value) {
  with_type(m.precision, [&]<class T>(T) {
    static_cast<T*>(m.data)[r * m.stride + c] = static_cast<float>(value);
  });
}

}  // namespace

void gemm_reference(const Product& p) {
  const std::int64_t k = checked_depth(p);
  const auto a = [&](std::int64_t i, std::int64_t l) {
    return p.a_side == Side::plain ? element(p.a, i, l) : element(p.a, l, i);
  };
  const auto b = [&](std::int64_t l, std::int64_t j) {
    return p.b_side == Side::plain ? element(p.b, l, j) : element(p.b, j, l);
  };
  for (std::int64_t i = 0; i < p.c.rows; ++i) {
    for (std::int64_t j = 0; j < p.c.cols; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l) sum += a(i, l) * b(l, j);
      if (p.bias) sum += static_cast<double>(p.bias(j));
      if (p.into == Into::add) sum += element(p.c, i, j);
      store(p.c, i, j, sum);
    }
  }
}

}  // namespace dfascale
