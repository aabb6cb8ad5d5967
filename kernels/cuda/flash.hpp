// Causal attention in tiles, the text of the GPU's kernels (kernels/attention.hpp has the
// equations): a block of threads takes a tile of queries, or of keys in one of the backward passes,
// and meets the other side tile by tile, so that scores live in registers and shared memory only
// (Dao et al., FlashAttention, 2022).  Both hold floats, whatever arrays store.  Statistics of the
// softmax are taken again in backward: forward keeps nothing.
//
// Threads form a square of 16 x 16.  Thread (y, x) has rows y, y + 16, ... of a tile, and of scores
// the columns x, x + 16, ...; of results as wide as a head four neighbours from 4 x on, every 64.
#pragma once

#include <cstdint>

#include "kernels/cuda/team.hpp"
#include "kernels/math.hpp"
#include "kernels/real.hpp"

namespace dfascale::flash {

inline constexpr int side = 16, threads = side * side;

/// What one (sequence, head) has in a matrix: (T, size).
template <class T>
struct Part {
  T* data;
  std::int64_t stride, rows;
  int cols;
};

/// One (sequence, head), stored as T: float or Bf16.
template <class T>
struct Head {
  Part<const T> q, k, v;
  float scale;  ///< 1 / sqrt(size)
};

/// Of the softmax of each query, (T) each.
struct Statistics {
  float *most, *inverse;  ///< the greatest score; 1 / sum of exp(score - most)
  float* delta;           ///< sum of p * dp
};

/// Sizes that are known when compiled.  Heads are padded to `width` with zeros; rows of tiles lie
/// four floats further apart, for shared memory's banks.
template <int Width, int Queries, int Keys>
struct Tiles {
  static constexpr int width = Width, queries = Queries, keys = Keys, stride = Width + 4;
  static constexpr int own_queries = Queries / side, own_keys = Keys / side;  ///< of a thread
  static constexpr int own_width = Width / side;
};

struct alignas(16) Four {
  float of[4];
};
DFASCALE_TEAM const Four& four(const float* at) { return *reinterpret_cast<const Four*>(at); }

constexpr float minus_infinity = -__builtin_huge_valf();

/// Rows [first, first + rows) of a part, widened to float; zeros beyond its end.
template <class S, class T>
DFASCALE_TEAM void load(int thread, float* tile, const Part<const T>& from, std::int64_t first,
                        int rows) {
  for (int i = thread; i < rows * S::width; i += threads) {
    const int r = i / S::width, c = i % S::width;
    const bool is_inside = first + r < from.rows && c < from.cols;
    tile[r * S::stride + c] = is_inside ? float(from.data[(first + r) * from.stride + c]) : 0.0f;
  }
}

/// own[i][j] = a(row y + 16 i) . b(row x + 16 j), over the width.
template <class S, int M, int N>
DFASCALE_TEAM void multiply_rows(float (&own)[M][N], const float* a, const float* b, int thread) {
  const int y = thread / side, x = thread % side;
  DFASCALE_UNROLL for (int i = 0; i < M; ++i) {
    DFASCALE_UNROLL for (int j = 0; j < N; ++j) own[i][j] = 0.0f;
  }
  for (int d = 0; d < S::width; d += 4) {
    Four left[M];
    DFASCALE_UNROLL for (int i = 0; i < M; ++i) left[i] = four(a + (y + side * i) * S::stride + d);
    DFASCALE_UNROLL for (int j = 0; j < N; ++j) {
      const Four right = four(b + (x + side * j) * S::stride + d);
      DFASCALE_UNROLL for (int i = 0; i < M; ++i) {
        DFASCALE_UNROLL for (int e = 0; e < 4; ++e) own[i][j] += left[i].of[e] * right.of[e];
      }
    }
  }
}

/// own += weights (rows, Inner) tile (Inner, width); rows of weights lie Inner + 4 floats apart.
template <class S, int Inner, int M, int N>
DFASCALE_TEAM void add_weighted(float (&own)[M][N], const float* weights, const float* tile,
                                int thread) {
  const int y = thread / side, x = thread % side;
  for (int k = 0; k < Inner; k += 4) {
    Four left[M];
    DFASCALE_UNROLL for (int i = 0; i < M; ++i) {
      left[i] = four(weights + (y + side * i) * (Inner + 4) + k);
    }
    DFASCALE_UNROLL for (int e = 0; e < 4; ++e) {
      DFASCALE_UNROLL for (int j = 0; j < N; j += 4) {
        const Four right = four(tile + (k + e) * S::stride + 4 * x + side * j);
        DFASCALE_UNROLL for (int i = 0; i < M; ++i) {
          DFASCALE_UNROLL for (int f = 0; f < 4; ++f) {
            own[i][j + f] += left[i].of[e] * right.of[f];
          }
        }
      }
    }
  }
}

/// What add_weighted has added up, row i times factor[i], into rows [first, ...) of a part.
template <class T, int M, int N>
DFASCALE_TEAM void store(const Part<T>& to, std::int64_t first, const float (&own)[M][N],
                         const float (&factor)[M], int thread) {
  const int y = thread / side, x = thread % side;
  DFASCALE_UNROLL for (int i = 0; i < M; ++i) {
    const std::int64_t row = first + y + side * i;
    DFASCALE_UNROLL for (int j = 0; j < N; ++j) {
      const int c = 4 * x + side * (j / 4 * 4) + j % 4;
      if (row < to.rows && c < to.cols) to.data[row * to.stride + c] = own[i][j] * factor[i];
    }
  }
}

/// Scores before the softmax; what a query may not see is -infinity.
template <int M, int N>
DFASCALE_TEAM void scale_and_mask(float (&scores)[M][N], float scale, std::int64_t first_query,
                                  std::int64_t first_key, int thread) {
  const int y = thread / side, x = thread % side;
  DFASCALE_UNROLL for (int i = 0; i < M; ++i) {
    DFASCALE_UNROLL for (int j = 0; j < N; ++j) {
      const bool is_seen = first_key + x + side * j <= first_query + y + side * i;
      scores[i][j] = is_seen ? scores[i][j] * scale : minus_infinity;
    }
  }
}

/// A number of each thread for each of its rows, to be combined over x.
struct Exchange {
  static constexpr int stride = side + 1;

  template <int M>
  DFASCALE_TEAM static void give(float* numbers, const float (&own)[M], int thread) {
    const int y = thread / side, x = thread % side;
    DFASCALE_UNROLL for (int i = 0; i < M; ++i) numbers[(y + side * i) * stride + x] = own[i];
  }
  DFASCALE_TEAM static float sum(const float* numbers, int row) {
    float all = 0.0f;
    DFASCALE_UNROLL for (int x = 0; x < side; ++x) all += numbers[row * stride + x];
    return all;
  }
  DFASCALE_TEAM static float most(const float* numbers, int row, float before) {
    float all = before;
    DFASCALE_UNROLL for (int x = 0; x < side; ++x) {
      const float value = numbers[row * stride + x];
      all = all < value ? value : all;
    }
    return all;
  }
};

template <int M, int N>
DFASCALE_TEAM void give_most(float* numbers, const float (&scores)[M][N], int thread) {
  float own[M];
  DFASCALE_UNROLL for (int i = 0; i < M; ++i) {
    own[i] = scores[i][0];
    DFASCALE_UNROLL for (int j = 1; j < N; ++j) {
      own[i] = own[i] < scores[i][j] ? scores[i][j] : own[i];
    }
  }
  Exchange::give(numbers, own, thread);
}

}  // namespace dfascale::flash
