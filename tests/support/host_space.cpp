// For kernels/launch/kokkos_gpu.hpp on hosts, which have one space to run in and no streams.
#include "kernels/launch/kokkos_gpu.hpp"

namespace dfascale::launch {

Space space_of(const Device&) { return Space(); }

}  // namespace dfascale::launch
