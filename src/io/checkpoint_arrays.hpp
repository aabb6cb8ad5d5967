// What the ranks are about to write, looked at before anything is written: the arrays are whole,
// each row belongs to one rank, every value is finite; and the CRC-32 of each array.
#pragma once

#include <cstdint>
#include <vector>

#include "io/checkpoint.hpp"
#include "io/writer_ranks.hpp"

namespace dfascale {

inline std::int64_t row_length(const std::vector<std::int64_t>& shape) {
  return shape.size() > 1 ? shape[1] : 1;
}

/// Collective.  The CRC-32 of every whole array, row-major, little-endian float32, whoever holds
/// its rows.  Throws on all ranks if the slices do not make the arrays.
std::vector<std::uint64_t> checksums_of(const std::vector<ArraySlice>& arrays,
                                        const WriterRanks& ranks);

/// The CRC-32 of an array in a file.
std::uint64_t checksum_in(const Hdf5File& file, const std::string& at);

}  // namespace dfascale
