// Arrays as HDF5's compressed chunks: bytes of equal weight together, then deflate.  Every rank
// compresses what lies in its rows, into a file of its own beside the checkpoint's; the first rank
// puts these parts together.  HDF5 and every tool that uses it read the result as any array.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/checkpoint.hpp"

namespace dfascale {

/// Rows of a chunk: half a MiB of floats, which HDF5's cache of a MiB holds; at least one row.
std::int64_t chunk_rows(const std::vector<std::int64_t>& shape);

/// This rank's part: the chunks that lie in its rows, compressed, and the rows that it has of
/// others.  `level` as zlib's, 1 (fast) to 9 (small).
void write_part(const std::string& path, const std::vector<ArraySlice>& arrays, int level);

/// The chunks of all ranks' parts, into arrays made by Hdf5File::make_chunked_array.
void join_parts(Hdf5File& file, const std::vector<ArraySlice>& arrays,
                const std::vector<std::string>& parts, int level);

}  // namespace dfascale
