// Apart from kokkos_cuda.cpp, because nvcc does not compile what errors are worded with.
#include "kernels/cuda/launch.hpp"

#include "kernels/cuda/calls.hpp"

namespace dfascale::launch {

void expect_launched(const char* name) { expect_cuda(cudaGetLastError(), name); }

}  // namespace dfascale::launch
