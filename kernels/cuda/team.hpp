// A block of threads that works in phases.  In a phase every thread runs the same text once, with
// its number and what it keeps from phase to phase; what it leaves in shared memory is seen by the
// others in later phases only.  On a GPU threads run at once and wait for each other after a phase;
// tests run them one after the other on a host (tests/kernel/test_flash.cpp), so that one text is
// tested without a GPU and runs on it.
#pragma once

#include "kernels/span.hpp"

#if defined(__CUDACC__)
#define DFASCALE_TEAM __device__ inline
#define DFASCALE_UNROLL _Pragma("unroll")
#else
#define DFASCALE_TEAM inline
#define DFASCALE_UNROLL
#endif

#if defined(__CUDACC__)
namespace dfascale {

/// The threads of a block; `Mine` lives in each thread's registers.
template <class Mine>
class Team {
 public:
  template <class Phase>
  __device__ void operator()(const Phase& phase) {
    phase(static_cast<int>(threadIdx.x), mine_);
    __syncthreads();
  }

 private:
  Mine mine_;
};

}  // namespace dfascale
#endif
