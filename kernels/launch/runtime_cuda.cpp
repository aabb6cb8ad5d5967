// Bare CUDA: it starts by itself at the first call.
#include <cuda_runtime.h>

#include "kernels/launch/runtime.hpp"

namespace dfascale::launch {

struct Runtime::State {};

Runtime::Runtime(int, int) {}
Runtime::~Runtime() = default;

std::string runtime_name() { return "bare CUDA"; }

void watch_kernels(KernelWatch) {}

void wait() { cudaDeviceSynchronize(); }

}  // namespace dfascale::launch
