// What every kernel that is written in CUDA itself, past the vocabulary or behind it, is launched
// with.
#pragma once

#include <cuda_runtime.h>

#include "kernels/device.hpp"

namespace dfascale::launch {

/// Around every launch, for what watches kernels (launch/runtime.hpp).  The second throws
/// Error(Exit::device) with the kernel's name when CUDA refuses the launch.  In
/// launch/runtime_cuda.cpp or launch/kokkos_cuda.cpp.
void begin_launch(const char* name);
void end_launch(const char* name);
/// That check alone.
void expect_launched(const char* name);

inline cudaStream_t stream_of(const Device& on) { return static_cast<cudaStream_t>(on.stream); }

}  // namespace dfascale::launch
