#include "kernels/launch/kokkos_variables.hpp"

#include <cstdlib>

#include "base/log.hpp"

namespace dfascale::launch {

void remove_kokkos_variables() {
  for (const char* name : {"KOKKOS_NUM_THREADS", "KOKKOS_NUMA", "KOKKOS_DEVICE_ID",
                           "KOKKOS_NUM_DEVICES", "KOKKOS_RAND_DEVICES", "KOKKOS_SKIP_DEVICE"}) {
    const char* value = std::getenv(name);
    if (value == nullptr) continue;
    log::warn(
        "{} = {} is not used: OMP_NUM_THREADS sets the threads of a rank, and ranks take the cards "
        "of a node in order",
        name, value);
    ::unsetenv(name);
  }
}

}  // namespace dfascale::launch
