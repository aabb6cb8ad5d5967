// The GEMM facade without a library: every product by the reference loop.  Slow; for machines
// without oneDNN.
#include "kernels/gemm.hpp"

namespace dfascale {

struct Gemm::State {};

Gemm::Gemm(const Device&) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& product) { gemm_reference(product); }

std::int64_t Gemm::workspace_bytes() { return 0; }

std::string Gemm::library() { return "reference loop, sums in double"; }

}  // namespace dfascale
