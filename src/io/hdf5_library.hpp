// What the sources of Hdf5File share: the library's header, its types and its reasons.  Nothing
// else includes this.
#pragma once

#define OMPI_SKIP_MPICXX 1
#include <hdf5.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/hdf5.hpp"

namespace dfascale {

static_assert(sizeof(hid_t) == sizeof(std::int64_t), "HDF5 1.10 or later is needed");

/// Says why the last call failed, in HDF5's own words.
std::string hdf5_reason();

inline std::vector<hsize_t> extents(const std::vector<std::int64_t>& shape) {
  return {shape.begin(), shape.end()};
}

}  // namespace dfascale
