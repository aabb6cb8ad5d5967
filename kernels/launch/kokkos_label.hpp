// What both Kokkos versions of the vocabulary name their kernels with.
#pragma once

#include <cstddef>
#include <string>

namespace dfascale::launch {

/// Kokkos wants a std::string; up to 15 characters it is made without an allocation.
template <std::size_t N>
std::string label(const char (&name)[N]) {
  static_assert(N <= 16,
                "kernel names have at most 15 characters: longer ones are allocated at every call");
  return name;
}

}  // namespace dfascale::launch
