// Arrays and attributes of HDF5 files that somebody else may have made: what they are, and whether
// they can be read without harm.  The library itself follows an array into other files, and fills
// the memory with what a few bytes of a compressed array become.
#pragma once

#include <cstdint>

#include "io/hdf5.hpp"

namespace dfascale {

/// What a type is; `other` for everything but standard numbers and texts of fixed length.
Hdf5Kind standard_kind(std::int64_t type);

/// Looks at an open array and reads none of its values.  Throws Error with the reason alone ("its
/// values lie in another file") unless it holds standard numbers or texts, and every value lies in
/// this file of `file_bytes` bytes, as it is or compressed by shuffle and deflate.
Hdf5Storage check_storage(std::int64_t dataset, std::int64_t file_bytes);

}  // namespace dfascale
