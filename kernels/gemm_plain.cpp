// The GEMM facade without a library: every product by the reference loop.  Slow; for machines
// without oneDNN.
#include "kernels/gemm.hpp"

namespace dfascale {

struct Gemm::State {};

Gemm::Gemm(const Device&, Products by) : by_(by) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& product) { gemm_reference(product); }

std::int64_t Gemm::workspace_bytes() { return 0; }

std::string Gemm::library() { return "reference loop, sums in double"; }

Support Gemm::support(Precision precision) {
  return precision == Precision::f32 ? Support::native : Support::widened;
}

}  // namespace dfascale
