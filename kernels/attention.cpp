// Causal attention on hosts, one (sequence, head) after the other: kernels/attention.hpp has the
// equations; kernels/cuda/attention.cu is its twin for GPUs.
//
// A head's arrays are copied to working space, as float and padded with zeros, where they stay in
// cache.  Queries go in blocks of 64 rows: a block's scores, (64, T) at most, are computed by tiles
// (kernels/tile.hpp), of which those above the diagonal are left out, so that little more than the
// half of T^2 that counts is ever computed.
#include "kernels/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/launch.hpp"
#include "kernels/launch/runtime.hpp"
#include "kernels/math.hpp"
#include "kernels/tile.hpp"

namespace dfascale {
namespace attention {

inline constexpr std::int64_t block_rows = 64;
/// Keys whose values are added up at a time: 32 KB of them, at 64 columns, stay in cache meanwhile.
inline constexpr std::int64_t keys_at_a_time = 128;
inline constexpr float no_score = -std::numeric_limits<float>::infinity();

/// One block of query rows of one head.
struct Block {
  std::int64_t first;  ///< position of its first query
  std::int64_t count;  ///< queries in it
  std::int64_t end;    ///< first + count: keys it may see

  Block(std::int64_t index, std::int64_t context)
      : first(index * block_rows),
        count(std::min(block_rows, context - first)),
        end(first + count) {}
  /// Columns of scores that are computed for row r: those of its tile that count, in whole
  /// registers.
  DFASCALE_INLINE std::int64_t columns(std::int64_t r) const {
    return tile::padded_cols(first + r / tile::rows * tile::rows + tile::rows);
  }
};

std::int64_t blocks(std::int64_t context) { return (context + block_rows - 1) / block_rows; }

/// Working space for one head, T = context, d = D / H.
struct Workspace {
  Mat q, k, v, dout;       // (T, d)
  Mat k_turned, v_turned;  // (d, T)
  Mat p, ds;               // (block_rows, T) probabilities of a block, gradient of its scores
  Mat sums;                // (block_rows, d) of a block's output, or of its queries' gradient
  Mat dk, dv;              // (T, d)
  std::int64_t size = 0;   ///< floats

  Workspace(const AttentionShape& shape, float* data) {
    const std::int64_t d = shape.width / shape.heads;
    const auto take = [&](std::int64_t rows, std::int64_t cols, std::int64_t stride) {
      float* at = data ? data + size : nullptr;
      size += rows * stride;
      return Mat(at, rows, cols, stride);
    };
    const std::int64_t rows = tile::padded_rows(shape.context), cols = tile::padded_cols(d);
    for (Mat* m : {&q, &k, &v, &dout, &dk, &dv}) *m = take(rows, cols, cols);
    const std::int64_t keys = tile::padded_cols(rows);
    // A line longer than whole: at a power of two all rows would fall into few sets of a cache.
    const std::int64_t stride = keys + 16;
    for (Mat* m : {&k_turned, &v_turned}) *m = take(d, keys, stride);
    for (Mat* m : {&p, &ds}) *m = take(block_rows, keys, stride);
    sums = take(block_rows, cols, cols);
  }
};

/// The columns of one (sequence, head) in one of qkv's thirds, or in a (B*T, D) matrix.
template <class T>
Matrix<T> head_of(const Matrix<T>& all, const AttentionShape& shape, std::int64_t index,
                  std::int64_t third = 0) {
  const std::int64_t d = shape.width / shape.heads;
  return all.rows_from(index / shape.heads * shape.context, shape.context)
      .cols_from(third * shape.width + index % shape.heads * d, d);
}

float score_scale(const AttentionShape& shape) {
  return 1.0f / std::sqrt(static_cast<float>(shape.width / shape.heads));
}

/// Heads' rows lie too far apart for the processor to see what comes next.
template <class T>
void prefetch_after(const Matrix<T>& m, std::int64_t row) {
  constexpr std::int64_t ahead = 8, line = 64 / sizeof(T);
  for (std::int64_t c = 0; row + ahead < m.rows && c < m.cols; c += line)
    __builtin_prefetch(&m(row + ahead, c), std::is_const_v<T> ? 0 : 1);
}

/// to = from, with zeros around it.
template <class T>
void pack(Mat to, Matrix<const T> from) {
  for (std::int64_t r = 0; r < to.rows; ++r) {
    prefetch_after(from, r);
    const std::int64_t count = r < from.rows ? from.cols : 0;
#pragma omp simd
    for (std::int64_t c = 0; c < count; ++c) to(r, c) = from(r, c);
    for (std::int64_t c = count; c < to.cols; ++c) to(r, c) = 0.0f;
  }
}

/// The other way round.
template <class T>
void unpack(Matrix<T> to, Mat from, float factor = 1.0f) {
  for (std::int64_t r = 0; r < to.rows; ++r) {
    prefetch_after(to, r);
#pragma omp simd
    for (std::int64_t c = 0; c < to.cols; ++c) to(r, c) = from(r, c) * factor;
  }
}

/// scores = left right of a block, where they count.
void score(Mat scores, ConstMat left, ConstMat right, const Block& block) {
  for (std::int64_t c = 0; c < block.columns(block.count - 1); c += tile::strip) {
    std::int64_t r = std::max<std::int64_t>(0, (c - block.first) / tile::rows * tile::rows);
    for (; r < block.count; r += tile::rows) {
      const std::int64_t width = std::min(tile::strip, block.columns(r) - c);
      tile::multiply(scores.rows_from(r, tile::rows).cols_from(c, width),
                     tile::plain(left.rows_from(block.first + r, tile::rows)),
                     right.cols_from(c, width), right.rows, Into::overwrite);
    }
  }
}

/// sums = weights values of a block; weights are 0 where they do not count.
void mix(Mat sums, ConstMat weights, ConstMat values, const Block& block) {
  for (std::int64_t key = 0; key < block.end; key += keys_at_a_time) {
    std::int64_t r = std::max<std::int64_t>(0, (key - block.first) / tile::rows * tile::rows);
    for (; r < block.count; r += tile::rows) {
      const std::int64_t seen = block.first + r + tile::rows;
      tile::multiply(sums.rows_from(r, tile::rows),
                     tile::plain(weights.rows_from(r, tile::rows).cols_from(key, 0)),
                     values.rows_from(key, 0), std::min(keys_at_a_time, seen - key),
                     key == 0 ? Into::overwrite : Into::add);
    }
  }
}

/// of_keys = or += weights^T of_queries of a block.
void spread(Mat of_keys, ConstMat weights, ConstMat of_queries, const Block& block, Into into) {
  for (std::int64_t key = 0; key < block.end; key += tile::rows) {
    const std::int64_t r = std::max<std::int64_t>(0, key - block.first);
    tile::multiply(of_keys.rows_from(key, tile::rows),
                   tile::turned(weights.rows_from(r, 0).cols_from(key, 0)),
                   of_queries.rows_from(block.first + r, 0), block.count - r, into);
  }
}

using tile::Lanes, tile::load, tile::store;
using Columns __attribute__((vector_size(sizeof(Lanes)))) = std::int32_t;

/// first, first + 1, ...
template <int... l>
DFASCALE_INLINE Columns columns_from(std::int64_t first, std::integer_sequence<int, l...>) {
  return Columns{l...} + static_cast<std::int32_t>(first);
}

inline constexpr auto plus = [](auto& all, const auto& next) { all += next; };
inline constexpr auto larger = [](auto& all, const auto& next) {
  all = all < next ? next : all;  // a NaN does not become the largest; it shows in the sum
};

DFASCALE_INLINE Lanes exp_of_negative(Lanes x) {
  alignas(sizeof(Lanes)) float each[tile::lanes];
  store(each, x);
#pragma omp simd
  for (int l = 0; l < tile::lanes; ++l) each[l] = math::exp_of_negative(each[l]);
  return load(each);
}

/// Rows of scores become their softmax over the keys that each query sees, 0 after them: a tile's
/// rows at a time, since one row is too short to keep a processor busy.
void softmax(Mat scores, const Block& block, float scale) {
  constexpr int rows = tile::rows;
  for (std::int64_t top = 0; top < block.count; top += rows) {
    const Mat p = scores.rows_from(top, rows);
    const std::int64_t width = block.columns(top), seen = block.first + top + 1;
    // Row r sees r columns more than the first: whether it sees those from c on, and f(r, c) of
    // the tile's registers.
    const auto sees = [&](int r, std::int64_t c) {
      return columns_from(c, std::make_integer_sequence<int, tile::lanes>()) <
             static_cast<std::int32_t>(seen + r);
    };
    const auto for_registers = [&](const auto& whole, const auto& partly) {
      std::int64_t c = 0;
      for (; c + tile::lanes <= seen; c += tile::lanes) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) whole(r, c);
      }
      for (; c < width; c += tile::lanes) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) partly(r, c);
      }
    };
    Lanes largest[rows], sum[rows], inverse[rows];
    for (int r = 0; r < rows; ++r) largest[r] = Lanes{} + no_score, sum[r] = Lanes{};
    for_registers([&](int r, std::int64_t c) { larger(largest[r], load(&p(r, c))); },
                  [&](int r, std::int64_t c) {
                    larger(largest[r], sees(r, c) ? load(&p(r, c)) : Lanes{} + no_score);
                  });
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) largest[r] = Lanes{} + fold(largest[r], larger);
    const auto exponential = [&](int r, std::int64_t c) {
      return exp_of_negative((load(&p(r, c)) - largest[r]) * scale);
    };
    const auto keep = [&](int r, std::int64_t c, Lanes e) {
      sum[r] += e;
      store(&p(r, c), e);
    };
    for_registers(
        [&](int r, std::int64_t c) { keep(r, c, exponential(r, c)); },
        [&](int r, std::int64_t c) { keep(r, c, sees(r, c) ? exponential(r, c) : Lanes{}); });
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) inverse[r] = Lanes{} + 1.0f / fold(sum[r], plus);
    const auto divide = [&](int r, std::int64_t c) {
      store(&p(r, c), load(&p(r, c)) * inverse[r]);
    };
    for_registers(divide, divide);
  }
}

/// ds holds the gradient of the probabilities p and becomes that of the scores before scaling, but
/// for the factor: p * (dp - delta), delta = sum of p * dp over the row.  Summing what is
/// multiplied, instead of the equal dout . out, lets the rounding of p cancel: gradients of queries
/// and keys come out about ten times closer.
void softmax_backward(Mat gradient, ConstMat weights, const Block& block) {
  constexpr int rows = tile::rows;
  for (std::int64_t top = 0; top < block.count; top += rows) {
    const Mat ds = gradient.rows_from(top, rows);
    const ConstMat p = weights.rows_from(top, rows);
    const std::int64_t width = block.columns(top);
    Lanes delta[rows];
    for (int r = 0; r < rows; ++r) delta[r] = Lanes{};
    for (std::int64_t c = 0; c < width; c += tile::lanes) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) delta[r] += load(&p(r, c)) * load(&ds(r, c));
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) delta[r] = Lanes{} + fold(delta[r], plus);
    for (std::int64_t c = 0; c < width; c += tile::lanes) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r)
        store(&ds(r, c), load(&p(r, c)) * (load(&ds(r, c)) - delta[r]));
    }
  }
}

template <class T>
void forward_head(Matrix<T> out, Matrix<const T> qkv, const AttentionShape& shape,
                  std::int64_t index, const Workspace& w) {
  const float scale = score_scale(shape);
  pack(w.q, head_of(qkv, shape, index, 0));
  pack(w.k, head_of(qkv, shape, index, 1));
  tile::turn(w.k_turned, w.k);
  pack(w.v, head_of(qkv, shape, index, 2));
  const Matrix<T> out_of_head = head_of(out, shape, index);
  for (std::int64_t k = 0; k < blocks(shape.context); ++k) {
    const Block block(k, shape.context);
    score(w.p, w.q, w.k_turned, block);
    softmax(w.p, block, scale);
    mix(w.sums, w.p, w.v, block);
    unpack(out_of_head.rows_from(block.first, block.count), w.sums);
  }
}

template <class T>
void backward_head(Matrix<T> dqkv, Matrix<const T> dout, Matrix<const T> qkv,
                   const AttentionShape& shape, std::int64_t index, const Workspace& w) {
  const float scale = score_scale(shape);
  pack(w.q, head_of(qkv, shape, index, 0));
  pack(w.k, head_of(qkv, shape, index, 1));
  tile::turn(w.k_turned, w.k);
  pack(w.v, head_of(qkv, shape, index, 2));
  tile::turn(w.v_turned, w.v);
  pack(w.dout, head_of(dout, shape, index));
  const Matrix<T> dq = head_of(dqkv, shape, index, 0);
  // The last block meets all keys: it goes first and overwrites dk and dv, the others add.
  for (std::int64_t k = blocks(shape.context) - 1; k >= 0; --k) {
    const Block block(k, shape.context);
    const Into into = block.end == shape.context ? Into::overwrite : Into::add;
    score(w.p, w.q, w.k_turned, block);
    softmax(w.p, block, scale);
    score(w.ds, w.dout, w.v_turned, block);
    spread(w.dv, w.p, w.dout, block, into);
    softmax_backward(w.ds, w.p, block);
    spread(w.dk, w.ds, w.q, block, into);
    mix(w.sums, w.ds, w.k, block);
    unpack(dq.rows_from(block.first, block.count), w.sums, scale);
  }
  unpack(head_of(dqkv, shape, index, 1), w.dk, scale);
  unpack(head_of(dqkv, shape, index, 2), w.dv);
}

std::int64_t size_of_workspace(const AttentionShape& shape) {
  return tile::up_to(Workspace(shape, nullptr).size, 16);
}

/// f(index, workspace) for each (sequence, head), by as many workers as there are.
template <std::size_t N, class F>
void for_heads(const char (&name)[N], const Device& on, const AttentionShape& shape, Vec scratch,
               const F& f) {
  const std::int64_t heads = shape.sequences * shape.heads, step = launch::workers();
  const std::int64_t size = size_of_workspace(shape);
  rows(
      name, on, std::min(heads, step), DFASCALE_KERNEL(const Row& row) {
        const Workspace own(shape, scratch.data + row.index * size);
        for (std::int64_t index = row.index; index < heads; index += step) f(index, own);
      });
}

}  // namespace attention

using namespace attention;

std::int64_t attention_scratch(const AttentionShape& shape) {
  return launch::workers() * size_of_workspace(shape);
}

void attention_forward(const Device& on, Stored out, ConstStored qkv, const AttentionShape& shape,
                       Vec scratch) {
  with_type(qkv.precision, [&]<class T>(T) {
    const Matrix<T> to = out.as<T>();
    const Matrix<const T> from = qkv.as<const T>();
    for_heads("attention", on, shape, scratch, [=](std::int64_t index, const Workspace& own) {
      forward_head(to, from, shape, index, own);
    });
  });
}

void attention_backward(const Device& on, Stored dqkv, ConstStored dout, ConstStored qkv,
                        const AttentionShape& shape, Vec scratch) {
  with_type(qkv.precision, [&]<class T>(T) {
    const Matrix<T> to = dqkv.as<T>();
    const Matrix<const T> signal = dout.as<const T>(), from = qkv.as<const T>();
    for_heads("attention_back", on, shape, scratch, [=](std::int64_t index, const Workspace& own) {
      backward_head(to, signal, from, shape, index, own);
    });
  });
}

}  // namespace dfascale
