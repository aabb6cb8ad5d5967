// What each block of threads of the GPU's attention does: kernels/cuda/attention.cu launches these,
// tests/kernel/test_flash.cpp runs them on hosts.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/attention.hpp"
#include "kernels/cuda/flash_backward.hpp"
#include "kernels/cuda/flash_forward.hpp"

namespace dfascale::flash {

/// Arrays on the device, stored as T; a row of each is a token.
template <class T>
struct Problem {
  AttentionShape shape;
  Matrix<const T> qkv;   // (B*T, 3*D)
  Matrix<const T> dout;  // (B*T, D), backward only
  Matrix<T> result;      // (B*T, D) out, or (B*T, 3*D) dqkv
  Vec kept;              // (3, B*H, T) statistics, backward only
};

/// Floats of Problem::kept.
inline std::int64_t kept_floats(const AttentionShape& s) {
  return 3 * s.sequences * s.heads * s.context;
}

/// Tiles of the three passes, for heads up to a width: what a block shares stays below 99 KiB,
/// which every card since Ampere has, and what a thread keeps fits its registers.
template <class Forward_, class Queries_, class Keys_>
struct Sizes {
  using Forward = Forward_;
  using Queries = Queries_;
  using Keys = Keys_;
};
using Sizes64 = Sizes<Tiles<64, 64, 64>, Tiles<64, 64, 64>, Tiles<64, 32, 64>>;
using Sizes128 = Sizes<Tiles<128, 64, 32>, Tiles<128, 32, 32>, Tiles<128, 32, 32>>;
using Sizes256 = Sizes<Tiles<256, 32, 32>, Tiles<256, 32, 16>, Tiles<256, 16, 16>>;
inline constexpr std::int64_t widest_head = 256;

/// run(Sizes64{}), run(Sizes128{}) or run(Sizes256{}), by the size of a head.
template <class Run>
void for_sizes(const AttentionShape& shape, const Run& run) {
  const std::int64_t size = shape.width / shape.heads;
  if (size <= 64) return run(Sizes64{});
  if (size <= 128) return run(Sizes128{});
  run(Sizes256{});
}

inline std::int64_t blocks(const AttentionShape& s, std::int64_t tile) {
  return s.sequences * s.heads * ((s.context + tile - 1) / tile);
}

/// A block's head, counted over sequences, and its tile's first row.  Long work comes first.
enum class Longest { first, last };
struct Place {
  std::int64_t head, row;
};
DFASCALE_TEAM Place place_of(std::int64_t block, const AttentionShape& s, std::int64_t tile,
                             Longest longest) {
  const std::int64_t tiles = (s.context + tile - 1) / tile, at = block % tiles;
  return {block / tiles, tile * (longest == Longest::first ? at : tiles - 1 - at)};
}

/// Columns of a head in the third `third` of a matrix: 0 queries (or all of out), 1 keys, 2 values.
template <class T>
DFASCALE_TEAM Part<T> part_of(const Matrix<T>& m, const AttentionShape& s, std::int64_t head,
                              int third) {
  const std::int64_t size = s.width / s.heads, sequence = head / s.heads;
  const std::int64_t column = third * s.width + head % s.heads * size;
  return {m.data + sequence * s.context * m.stride + column, m.stride, s.context,
          static_cast<int>(size)};
}

template <class T>
DFASCALE_TEAM Head<T> head_of(const Problem<T>& p, std::int64_t head) {
  const std::int64_t size = p.shape.width / p.shape.heads;
  return {part_of(p.qkv, p.shape, head, 0), part_of(p.qkv, p.shape, head, 1),
          part_of(p.qkv, p.shape, head, 2), 1.0f / ::sqrtf(static_cast<float>(size))};
}

template <class T>
DFASCALE_TEAM Statistics statistics_of(const Problem<T>& p, std::int64_t head) {
  const std::int64_t all = p.shape.sequences * p.shape.heads * p.shape.context;
  float* own = p.kept.data + head * p.shape.context;
  return {own, own + all, own + 2 * all};
}

template <class S, class Team, class T>
DFASCALE_TEAM void forward_block(Team& team, ForwardShared<S>& shared, const Problem<T>& p,
                                 std::int64_t block) {
  const Place at = place_of(block, p.shape, S::queries, Longest::last);
  forward<S>(team, shared, head_of(p, at.head), part_of(p.result, p.shape, at.head, 0), at.row);
}

template <class S, class Team, class T>
DFASCALE_TEAM void queries_block(Team& team, QueryShared<S>& shared, const Problem<T>& p,
                                 std::int64_t block) {
  const Place at = place_of(block, p.shape, S::queries, Longest::last);
  backward_queries<S>(team, shared, head_of(p, at.head), part_of(p.dout, p.shape, at.head, 0),
                      statistics_of(p, at.head), part_of(p.result, p.shape, at.head, 0), at.row);
}

template <class S, class Team, class T>
DFASCALE_TEAM void keys_block(Team& team, KeyShared<S>& shared, const Problem<T>& p,
                              std::int64_t block) {
  const Place at = place_of(block, p.shape, S::keys, Longest::first);
  backward_keys<S>(team, shared, head_of(p, at.head), part_of(p.dout, p.shape, at.head, 0),
                   statistics_of(p, at.head), part_of(p.result, p.shape, at.head, 1),
                   part_of(p.result, p.shape, at.head, 2), at.row);
}

}  // namespace dfascale::flash
