// Attention's forward pass for a tile of queries (kernels/cuda/flash.hpp).
#pragma once

#include "kernels/cuda/flash.hpp"

namespace dfascale::flash {

template <class S>
struct alignas(16) ForwardShared {
  float q[S::queries * S::stride];
  float kv[S::keys * S::stride];  // keys, then their values
  float p[S::queries * (S::keys + 4)];
  float numbers[S::queries * Exchange::stride];
};

/// What a thread keeps.  `sum` is of its own columns.
template <class S>
struct ForwardMine {
  float out[S::own_queries][S::own_width];
  float scores[S::own_queries][S::own_keys];
  float most[S::own_queries], sum[S::own_queries];
};

/// exp(score - most) of a further tile, and what was added up before at the new `most`.
template <class S>
DFASCALE_TEAM void join(ForwardMine<S>& mine, ForwardShared<S>& shared, int thread) {
  const int y = thread / side, x = thread % side;
  DFASCALE_UNROLL for (int i = 0; i < S::own_queries; ++i) {
    const int row = y + side * i;
    const float most = Exchange::most(shared.numbers, row, mine.most[i]);
    const float keep = math::exp(mine.most[i] - most);
    mine.most[i] = most;
    mine.sum[i] *= keep;
    DFASCALE_UNROLL for (int c = 0; c < S::own_width; ++c) mine.out[i][c] *= keep;
    DFASCALE_UNROLL for (int j = 0; j < S::own_keys; ++j) {
      const float p = math::exp(mine.scores[i][j] - most);
      mine.sum[i] += p;
      shared.p[row * (S::keys + 4) + x + side * j] = p;
    }
  }
}

/// out of queries [first, first + S::queries).
template <class S, class Team, class T>
DFASCALE_TEAM void forward(Team& team, ForwardShared<S>& shared, const Head<T>& head,
                           const Part<T>& out, std::int64_t first) {
  team([&](int thread, ForwardMine<S>& mine) {
    mine = {};
    DFASCALE_UNROLL for (float& most : mine.most) most = minus_infinity;
    load<S>(thread, shared.q, head.q, first, S::queries);
  });
  for (std::int64_t key = 0; key < head.k.rows && key < first + S::queries; key += S::keys) {
    team([&](int thread, ForwardMine<S>&) { load<S>(thread, shared.kv, head.k, key, S::keys); });
    team([&](int thread, ForwardMine<S>& mine) {
      multiply_rows<S>(mine.scores, shared.q, shared.kv, thread);
      scale_and_mask(mine.scores, head.scale, first, key, thread);
      give_most(shared.numbers, mine.scores, thread);
    });
    team([&](int thread, ForwardMine<S>& mine) {
      join<S>(mine, shared, thread);
      load<S>(thread, shared.kv, head.v, key, S::keys);
    });
    team([&](int thread, ForwardMine<S>& mine) {
      add_weighted<S, S::keys>(mine.out, shared.p, shared.kv, thread);
    });
  }
  team([&](int thread, ForwardMine<S>& mine) { Exchange::give(shared.numbers, mine.sum, thread); });
  team([&](int thread, ForwardMine<S>& mine) {
    DFASCALE_UNROLL for (int i = 0; i < S::own_queries; ++i) {
      mine.sum[i] = 1.0f / Exchange::sum(shared.numbers, thread / side + side * i);
    }
    store(out, first, mine.out, mine.sum, thread);
  });
}

}  // namespace dfascale::flash
