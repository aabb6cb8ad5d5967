// Products of small matrices on hosts, by tiles whose sums stay in registers: what attention is
// made of there.  Its factors are too small, and too many of their products masked, for a library's
// matrix products to come near the processor's limit.
//
// Matrices are padded with zeros: rows to a multiple of tile::rows, columns to one of tile::lanes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/lanes.hpp"
#include "kernels/span.hpp"

namespace dfascale::tile {

// Registers of so many floats, and as many rows as leave registers for the factors: 24 of 32, or
// 12 of 16, hold sums.
#if defined(__AVX512F__)
inline constexpr int lanes = 16, rows = 8;
#elif defined(__AVX__)
inline constexpr int lanes = 8, rows = 4;
#elif defined(__aarch64__)
inline constexpr int lanes = 4, rows = 8;
#else
inline constexpr int lanes = 4, rows = 4;
#endif
inline constexpr int most_vectors = 3;
/// Columns of the widest tile.
inline constexpr std::int64_t strip = most_vectors * lanes;

using Lanes __attribute__((vector_size(lanes * sizeof(float)))) = float;

inline Lanes load(const float* from) {
  Lanes x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}
inline void store(float* to, Lanes x) { __builtin_memcpy(to, &x, sizeof x); }

constexpr std::int64_t up_to(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}
constexpr std::int64_t padded_rows(std::int64_t n) { return up_to(n, rows); }
constexpr std::int64_t padded_cols(std::int64_t n) { return up_to(n, lanes); }

/// The left factor's element for row r and term k: data[r * row_step + k * term_step].
struct Left {
  const float* data;
  std::int64_t row_step, term_step;
};
inline Left plain(ConstMat m) { return {m.data, m.stride, 1}; }
inline Left turned(ConstMat m) { return {m.data, 1, m.stride}; }

/// c (rows x vectors * lanes) = or += the sum over `terms` of left's column by right's row.
template <int vectors>
void multiply_tile(Mat c, Left left, ConstMat right, std::int64_t terms, Into into) {
  Lanes sum[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      sum[r][v] = into == Into::add ? load(&c(r, v * lanes)) : Lanes{};
    }
  }
  for (std::int64_t k = 0; k < terms; ++k) {
    Lanes b[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) b[v] = load(&right(k, v * lanes));
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const float a = left.data[r * left.row_step + k * left.term_step];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[r][v] += a * b[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) store(&c(r, v * lanes), sum[r][v]);
  }
}

/// The same for as many columns as c has, a multiple of lanes.
inline void multiply(Mat c, Left left, ConstMat right, std::int64_t terms, Into into) {
  std::int64_t done = 0;
  while (done < c.cols) {
    const std::int64_t rest = (c.cols - done) / lanes;
    // Four registers go by two and two: a tile of one waits for its sums.
    const std::int64_t vectors = rest == 4 ? 2 : std::min<std::int64_t>(rest, most_vectors);
    const Mat to = c.cols_from(done, vectors * lanes);
    const ConstMat from = right.cols_from(done, vectors * lanes);
    if (vectors == 3) multiply_tile<3>(to, left, from, terms, into);
    else if (vectors == 2) multiply_tile<2>(to, left, from, terms, into);
    else multiply_tile<1>(to, left, from, terms, into);
    done += vectors * lanes;
  }
}

/// What the upper or lower of two rows, `half` apart, becomes when the two squares of that size
/// across the diagonal change places: upper right, in the lanes with that bit, and lower left.
template <int half, bool is_lower, int... l>
DFASCALE_INLINE Lanes exchanged(Lanes above, Lanes below, std::integer_sequence<int, l...>) {
  if constexpr (is_lower)
    return __builtin_shufflevector(above, below, (l & half ? lanes + l : l + half)...);
  else return __builtin_shufflevector(above, below, (l & half ? lanes + l - half : l)...);
}

/// Turns a square of registers: quarters across the diagonal change places, then the quarters
/// within each, and so on.
template <int half = lanes / 2>
DFASCALE_INLINE void turn_square(Lanes (&row)[lanes]) {
  constexpr auto every = std::make_integer_sequence<int, lanes>();
#pragma GCC unroll 16
  for (int r = 0; r < lanes; ++r) {
    if (r & half) continue;
    const Lanes above = row[r], below = row[r + half];
    row[r] = exchanged<half, false>(above, below, every);
    row[r + half] = exchanged<half, true>(above, below, every);
  }
  if constexpr (half > 1) turn_square<half / 2>(row);
}

/// to (d, n) = from (n, d) transposed; to's columns from n on, up to a whole square, are zero.
inline void turn(Mat to, ConstMat from) {
  for (std::int64_t top = 0; top < from.rows; top += lanes) {
    const std::int64_t rows_here = std::min<std::int64_t>(lanes, from.rows - top);
    for (std::int64_t left = 0; left < to.rows; left += lanes) {
      Lanes square[lanes];
      for (int r = 0; r < lanes; ++r) {
        square[r] = r < rows_here ? load(&from(top + r, left)) : Lanes{};
      }
      turn_square(square);
      const std::int64_t cols_here = std::min<std::int64_t>(lanes, to.rows - left);
      for (int c = 0; c < cols_here; ++c) store(&to(left + c, top), square[c]);
    }
  }
}

}  // namespace dfascale::tile
