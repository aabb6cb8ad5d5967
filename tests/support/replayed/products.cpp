// In place of kernels/gemm_onednn.cpp: products by the reference loop, queued as kernels are.
#include "kernels/cuda/calls.hpp"
#include "kernels/gemm.hpp"
#include "tests/support/fake_cuda/control.hpp"

namespace dfascale {

struct Gemm::State {
  Device on;
};

Gemm::Gemm(const Device& on, Products by) : state_(new State{on}), by_(by) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& product) {
  CUDA_CHECKED(fake_cuda::queue(static_cast<cudaStream_t>(state_->on.stream),
                                [product] { gemm_reference(product); }));
}

Support Gemm::support(Precision) { return Support::native; }

std::int64_t Gemm::workspace_bytes() { return 0; }

std::string Gemm::library() { return "reference loop on a fake GPU"; }

}  // namespace dfascale
