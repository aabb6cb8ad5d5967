// What the environment tells Kokkos.
#pragma once

namespace dfascale::launch {

/// Removes the variables that would contradict what Kokkos is given, at which it ends the program;
/// a warning names them.
void remove_kokkos_variables();

}  // namespace dfascale::launch
