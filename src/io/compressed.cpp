#include "io/compressed.hpp"

#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <utility>

#include "io/checkpoint_arrays.hpp"
#include "io/files.hpp"

namespace dfascale {

namespace {

constexpr Exit exit_code = Exit::checkpoint;

/// In a part, before its bytes.
struct Piece {
  std::int64_t array, first_row, rows;
  std::int64_t compressed;  ///< 1: a whole chunk, ready for HDF5; 0: rows of one, as they are
  std::int64_t bytes;
};

std::int64_t bytes_of_rows(const ArraySlice& array, std::int64_t rows) {
  return rows * row_length(array.shape) * static_cast<std::int64_t>(sizeof(float));
}

/// HDF5's filters "shuffle" and "deflate" on a chunk.
std::string compressed(std::string_view values, int level) {
  const std::size_t count = values.size() / sizeof(float);
  std::string shuffled(values.size(), '\0');
  for (std::size_t byte = 0; byte < sizeof(float); ++byte)
    for (std::size_t i = 0; i < count; ++i)
      shuffled[byte * count + i] = values[i * sizeof(float) + byte];
  uLongf size = compressBound(shuffled.size());
  std::string result(size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(result.data()), &size,
                reinterpret_cast<const Bytef*>(shuffled.data()), shuffled.size(), level) != Z_OK)
    fail(exit_code, "zlib cannot compress {} bytes at level {}", values.size(), level);
  result.resize(size);
  return result;
}

/// A chunk of rows that several ranks have, until all have come.
struct Growing {
  std::string values;
  std::int64_t rows = 0;
};

class Joiner {
 public:
  Joiner(Hdf5File& file, const std::vector<ArraySlice>& arrays, int level)
      : file_(file), arrays_(arrays), level_(level) {}

  void add(const Piece& piece, std::string bytes) {
    if (piece.compressed != 0) write(piece.array, piece.first_row, bytes);
    else add_rows(piece, bytes);
  }
  bool is_complete() const { return growing_.empty(); }

 private:
  void write(std::int64_t array, std::int64_t first_row, std::string_view bytes) {
    const ArraySlice& of = arrays_[static_cast<std::size_t>(array)];
    file_.write_chunk(of.path, of.shape, first_row, bytes);
  }

  void add_rows(const Piece& piece, std::string_view bytes) {
    const ArraySlice& of = arrays_[static_cast<std::size_t>(piece.array)];
    const std::int64_t whole = chunk_rows(of.shape), start = piece.first_row / whole * whole;
    Growing& chunk = growing_[{piece.array, start}];
    // A chunk is always whole: behind the array's last row follow zeros that nobody reads.
    chunk.values.resize(static_cast<std::size_t>(bytes_of_rows(of, whole)));
    bytes.copy(chunk.values.data() + bytes_of_rows(of, piece.first_row - start), bytes.size());
    chunk.rows += piece.rows;
    if (chunk.rows < std::min(whole, of.shape[0] - start)) return;
    write(piece.array, start, compressed(chunk.values, level_));
    growing_.erase({piece.array, start});
  }

  Hdf5File& file_;
  const std::vector<ArraySlice>& arrays_;
  int level_;
  std::map<std::pair<std::int64_t, std::int64_t>, Growing> growing_;
};

}  // namespace

std::int64_t chunk_rows(const std::vector<std::int64_t>& shape) {
  constexpr std::int64_t floats = (512 << 10) / sizeof(float);
  return std::clamp<std::int64_t>(floats / row_length(shape), 1, shape.at(0));
}

void write_part(const std::string& path, const std::vector<ArraySlice>& arrays, int level) {
  NewFile file(path);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const ArraySlice& array = arrays[i];
    const std::int64_t whole = chunk_rows(array.shape), end = array.first_row + array.rows;
    for (std::int64_t row = array.first_row; row < end;) {
      const std::int64_t next = std::min((row / whole + 1) * whole, end);
      const std::string_view values(
          reinterpret_cast<const char*>(array.data) + bytes_of_rows(array, row - array.first_row),
          static_cast<std::size_t>(bytes_of_rows(array, next - row)));
      const bool is_whole = next - row == whole;
      const std::string bytes = is_whole ? compressed(values, level) : std::string(values);
      const Piece piece{static_cast<std::int64_t>(i), row, next - row, is_whole ? 1 : 0,
                        static_cast<std::int64_t>(bytes.size())};
      file.write({reinterpret_cast<const char*>(&piece), sizeof piece});
      file.write(bytes);
      row = next;
    }
  }
  file.complete();
}

void join_parts(Hdf5File& file, const std::vector<ArraySlice>& arrays,
                const std::vector<std::string>& parts, int level) {
  Joiner joiner(file, arrays, level);
  for (const std::string& path : parts) {
    std::ifstream part(path, std::ios::binary);
    Piece piece{};
    while (part.read(reinterpret_cast<char*>(&piece), sizeof piece)) {
      std::string bytes(static_cast<std::size_t>(piece.bytes), '\0');
      part.read(bytes.data(), piece.bytes);
      joiner.add(piece, std::move(bytes));
    }
    if (!part.eof() || part.gcount() != 0) fail(exit_code, "{}: cannot be read back", path);
  }
  if (!joiner.is_complete()) fail(exit_code, "{}: rows of a chunk are missing", file.path());
}

}  // namespace dfascale
