#include "io/checkpoint_arrays.hpp"

#include <zlib.h>

#include <algorithm>
#include <cmath>

namespace dfascale {

namespace {

constexpr std::int64_t band_bytes = 8 << 20;  // read back in bands that stay in the cache
constexpr std::size_t words_per_slice = 3;    // first row, rows, checksum

std::uint64_t crc(const float* values, std::int64_t count) {
  return crc32_z(0, reinterpret_cast<const unsigned char*>(values), count * sizeof(float));
}

std::string list_of(const std::vector<ArraySlice>& arrays) {
  std::string list;
  for (const ArraySlice& array : arrays) {
    list += array.path;
    for (const std::int64_t size : array.shape) list += fmt::format(" {}", size);
    list += "\n";
  }
  return list;
}

void check_list(const std::vector<ArraySlice>& arrays, const WriterRanks& ranks) {
  const std::string list = list_of(arrays);
  const bool same = ranks.from_first(list) == list;
  ranks.agree(Exit::checkpoint, same ? "" : "the ranks list different arrays for the checkpoint");
  for (const ArraySlice& array : arrays) {
    const bool flat = array.shape.size() == 1 || array.shape.size() == 2;
    if (!flat || *std::min_element(array.shape.begin(), array.shape.end()) < 1)
      fail(Exit::checkpoint, "checkpoint: {} must have one or two dimensions, none empty",
           array.path);
  }
}

// Row of the first NaN or Inf, or -1.  Zero times either is NaN, and a NaN stays in the sum.
std::int64_t first_bad_row(const ArraySlice& array) {
  const std::int64_t length = row_length(array.shape);
  for (std::int64_t row = 0; row < array.rows; ++row) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < length; ++i) sum += 0.0F * array.data[row * length + i];
    if (sum != 0.0F) return array.first_row + row;
  }
  return -1;
}

// The slice's words, after checking that it lies inside its array and holds numbers only.
std::vector<std::uint64_t> describe(const ArraySlice& array) {
  if (array.rows < 0 || array.first_row < 0 || array.first_row > array.shape[0] - array.rows)
    fail(Exit::checkpoint, "checkpoint: {} has no rows {} to {}", array.path, array.first_row,
         array.first_row + array.rows);
  if (const std::int64_t bad = first_bad_row(array); bad >= 0)
    fail(Exit::numerical, "checkpoint not written: {} has NaN or Inf in row {}", array.path, bad);
  return {static_cast<std::uint64_t>(array.first_row), static_cast<std::uint64_t>(array.rows),
          crc(array.data, array.rows * row_length(array.shape))};
}

struct Piece {
  std::int64_t first, rows;
  std::uint64_t checksum;
};

// The pieces must follow each other without gap or overlap.
std::uint64_t joined(const ArraySlice& array, std::vector<Piece> pieces) {
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.first < b.first; });
  std::int64_t next = 0;
  std::uint64_t checksum = 0;
  for (const Piece& piece : pieces) {
    if (piece.first != next)
      fail(Exit::checkpoint, "checkpoint: rows {} to {} of {} are written by {}",
           std::min(next, piece.first), std::max(next, piece.first), array.path,
           piece.first < next ? "two ranks" : "no rank");
    const auto bytes = piece.rows * row_length(array.shape) * sizeof(float);
    checksum = crc32_combine(checksum, piece.checksum, static_cast<z_off_t>(bytes));
    next += piece.rows;
  }
  if (next != array.shape[0])
    fail(Exit::checkpoint, "checkpoint: rows {} to {} of {} are written by no rank", next,
         array.shape[0], array.path);
  return checksum;
}

}  // namespace

std::vector<std::uint64_t> checksums_of(const std::vector<ArraySlice>& arrays,
                                        const WriterRanks& ranks) {
  check_list(arrays, ranks);
  std::vector<std::uint64_t> words;
  together(ranks, Exit::checkpoint, [&] {
    for (const ArraySlice& array : arrays) {
      const auto described = describe(array);
      words.insert(words.end(), described.begin(), described.end());
    }
  });
  const auto all = ranks.gather(words);
  std::vector<std::uint64_t> checksums;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    std::vector<Piece> pieces;
    for (int rank = 0; rank < ranks.size(); ++rank) {
      const auto* word = &all[(rank * arrays.size() + i) * words_per_slice];
      const auto rows = static_cast<std::int64_t>(word[1]);
      if (rows > 0) pieces.push_back({static_cast<std::int64_t>(word[0]), rows, word[2]});
    }
    checksums.push_back(joined(arrays[i], std::move(pieces)));
  }
  return checksums;
}

std::uint64_t checksum_in(const Hdf5File& file, const std::string& at) {
  const auto shape = file.shape(at);
  const std::int64_t length = row_length(shape);
  const std::int64_t band = std::max<std::int64_t>(1, band_bytes / (length * 4));
  std::vector<float> values(std::min(band, shape.at(0)) * length);
  std::uint64_t checksum = crc32_z(0, nullptr, 0);
  for (std::int64_t first = 0; first < shape[0]; first += band) {
    const std::int64_t rows = std::min(band, shape[0] - first);
    file.read_rows(at, {first, rows}, values.data());
    checksum = crc32_z(checksum, reinterpret_cast<const unsigned char*>(values.data()),
                       rows * length * sizeof(float));
  }
  return checksum;
}

}  // namespace dfascale
