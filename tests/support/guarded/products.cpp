// In place of kernels/gemm_onednn.cpp: products by the reference loop, on guarded memory.
#include "kernels/gemm.hpp"
#include "tests/support/guarded/guard.hpp"

namespace dfascale {

struct Gemm::State {};

Gemm::Gemm(const Device&, Products by) : by_(by) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& product) {
  const test::Open open;
  gemm_reference(product);
}

Support Gemm::support(Precision) { return Support::native; }

std::int64_t Gemm::workspace_bytes() { return 0; }

std::string Gemm::library() { return "reference loop on guarded memory"; }

}  // namespace dfascale
