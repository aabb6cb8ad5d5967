// Matrix products by a loop with sums in double: the oracle of the libraries, and the whole GEMM
// where none is built in (-DDFASCALE_GEMM=reference).  Host memory only.
#include "kernels/gemm.hpp"
#include "kernels/gemm_shape.hpp"

namespace dfascale {

void gemm_reference(const Product& p) {
  const std::int64_t k = checked_depth(p);
  const auto a = [&](std::int64_t i, std::int64_t l) {
    return static_cast<double>(p.a_side == Side::plain ? p.a(i, l) : p.a(l, i));
  };
  const auto b = [&](std::int64_t l, std::int64_t j) {
    return static_cast<double>(p.b_side == Side::plain ? p.b(l, j) : p.b(j, l));
  };
  for (std::int64_t i = 0; i < p.c.rows; ++i) {
    for (std::int64_t j = 0; j < p.c.cols; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l) sum += a(i, l) * b(l, j);
      sum *= static_cast<double>(p.alpha);
      if (p.bias) sum += static_cast<double>(p.bias(j));
      if (p.into == Into::add) sum += static_cast<double>(p.c(i, j));
      p.c(i, j) = static_cast<float>(sum);
    }
  }
}

}  // namespace dfascale
