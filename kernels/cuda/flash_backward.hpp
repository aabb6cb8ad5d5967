// Attention's backward pass (kernels/cuda/flash.hpp) in two parts: for a tile of queries the
// softmax's statistics and dq, then for a tile of keys dk and dv.  As on hosts, delta sums the very
// products p * dp (kernels/attention.cpp says why).
#pragma once

#include "kernels/cuda/flash.hpp"

namespace dfascale::flash {

template <class S>
struct alignas(16) QueryShared {
  float q[S::queries * S::stride], dout[S::queries * S::stride];
  float kv[S::keys * S::stride];  // keys or their values
  float ds[S::queries * (S::keys + 4)];
  float numbers[S::queries * Exchange::stride];
};

/// What a thread keeps.  Until `settle`, sums are of its own columns.
template <class S>
struct QueryMine {
  float dq[S::own_queries][S::own_width];
  float scores[S::own_queries][S::own_keys], dp[S::own_queries][S::own_keys];
  float most[S::own_queries], sum[S::own_queries], delta[S::own_queries];
};

template <class S, class T>
DFASCALE_TEAM void score(QueryMine<S>& mine, const QueryShared<S>& shared, const Head<T>& head,
                         std::int64_t first, std::int64_t key, int thread) {
  multiply_rows<S>(mine.scores, shared.q, shared.kv, thread);
  scale_and_mask(mine.scores, head.scale, first, key, thread);
}

/// The first look at the keys: most, sum = sum of exp(score - most), delta = sum of that times dp.
template <class S, class Team, class T>
DFASCALE_TEAM void take_statistics(Team& team, QueryShared<S>& shared, const Head<T>& head,
                                   std::int64_t first) {
  for (std::int64_t key = 0; key < head.k.rows && key < first + S::queries; key += S::keys) {
    team([&](int thread, QueryMine<S>&) { load<S>(thread, shared.kv, head.k, key, S::keys); });
    team([&](int thread, QueryMine<S>& mine) {
      score<S>(mine, shared, head, first, key, thread);
      give_most(shared.numbers, mine.scores, thread);
    });
    team([&](int thread, QueryMine<S>& mine) {
      DFASCALE_UNROLL for (int i = 0; i < S::own_queries; ++i) {
        const float most = Exchange::most(shared.numbers, thread / side + side * i, mine.most[i]);
        const float keep = math::exp(mine.most[i] - most);
        mine.most[i] = most;
        mine.sum[i] *= keep;
        mine.delta[i] *= keep;
      }
      load<S>(thread, shared.kv, head.v, key, S::keys);
    });
    team([&](int thread, QueryMine<S>& mine) {
      multiply_rows<S>(mine.dp, shared.dout, shared.kv, thread);
      DFASCALE_UNROLL for (int i = 0; i < S::own_queries; ++i) {
        DFASCALE_UNROLL for (int j = 0; j < S::own_keys; ++j) {
          const float p = math::exp(mine.scores[i][j] - mine.most[i]);
          mine.sum[i] += p;
          mine.delta[i] += p * mine.dp[i][j];
        }
      }
    });
  }
}

/// sum becomes 1 / the row's sum, delta the row's; kept for the keys' part.
template <class S, class Team>
DFASCALE_TEAM void settle(Team& team, QueryShared<S>& shared, const Statistics& kept,
                          std::int64_t first, std::int64_t context) {
  team([&](int thread, QueryMine<S>& mine) { Exchange::give(shared.numbers, mine.sum, thread); });
  team([&](int thread, QueryMine<S>& mine) {
    DFASCALE_UNROLL for (int i = 0; i < S::own_queries; ++i) {
      mine.sum[i] = 1.0f / Exchange::sum(shared.numbers, thread / side + side * i);
    }
  });
  team([&](int thread, QueryMine<S>& mine) { Exchange::give(shared.numbers, mine.delta, thread); });
  team([&](int thread, QueryMine<S>& mine) {
    DFASCALE_UNROLL for (int i = 0; i < S::own_queries; ++i) {
      const int row = thread / side + side * i;
      mine.delta[i] = Exchange::sum(shared.numbers, row) * mine.sum[i];
      if (thread % side != 0 || first + row >= context) continue;
      kept.most[first + row] = mine.most[i];
      kept.inverse[first + row] = mine.sum[i];
      kept.delta[first + row] = mine.delta[i];
    }
  });
}

/// Statistics and dq of queries [first, first + S::queries).
template <class S, class Team, class T>
DFASCALE_TEAM void backward_queries(Team& team, QueryShared<S>& shared, const Head<T>& head,
                                    const Part<const T>& dout, const Statistics& kept,
                                    const Part<T>& dq, std::int64_t first) {
  team([&](int thread, QueryMine<S>& mine) {
    mine = {};
    DFASCALE_UNROLL for (float& most : mine.most) most = minus_infinity;
    load<S>(thread, shared.q, head.q, first, S::queries);
    load<S>(thread, shared.dout, dout, first, S::queries);
  });
  take_statistics<S>(team, shared, head, first);
  settle<S>(team, shared, kept, first, head.q.rows);
  for (std::int64_t key = 0; key < head.k.rows && key < first + S::queries; key += S::keys) {
    team([&](int thread, QueryMine<S>&) { load<S>(thread, shared.kv, head.v, key, S::keys); });
    team([&](int thread, QueryMine<S>& mine) {
      multiply_rows<S>(mine.dp, shared.dout, shared.kv, thread);
    });
    team([&](int thread, QueryMine<S>&) { load<S>(thread, shared.kv, head.k, key, S::keys); });
    team([&](int thread, QueryMine<S>& mine) {
      score<S>(mine, shared, head, first, key, thread);
      DFASCALE_UNROLL for (int i = 0; i < S::own_queries; ++i) {
        const int row = thread / side + side * i;
        DFASCALE_UNROLL for (int j = 0; j < S::own_keys; ++j) {
          const float p = math::exp(mine.scores[i][j] - mine.most[i]) * mine.sum[i];
          shared.ds[row * (S::keys + 4) + thread % side + side * j] =
              p * (mine.dp[i][j] - mine.delta[i]) * head.scale;
        }
      }
    });
    team([&](int thread, QueryMine<S>& mine) {
      add_weighted<S, S::keys>(mine.dq, shared.ds, shared.kv, thread);
    });
  }
  team([&](int thread, QueryMine<S>& mine) {
    float one[S::own_queries];
    DFASCALE_UNROLL for (float& factor : one) factor = 1.0f;
    store(dq, first, mine.dq, one, thread);
  });
}

template <class S>
struct alignas(16) KeyShared {
  float k[S::keys * S::stride], v[S::keys * S::stride];
  float q[S::queries * S::stride], dout[S::queries * S::stride];
  float p[S::keys * (S::queries + 4)], ds[S::keys * (S::queries + 4)];  // turned
  float most[S::queries], inverse[S::queries], delta[S::queries];
};

template <class S>
struct KeyMine {
  float dk[S::own_keys][S::own_width], dv[S::own_keys][S::own_width];
};

/// Queries [query, query + S::queries) and their statistics; none has a part beyond the context.
template <class S, class T>
DFASCALE_TEAM void load_queries(KeyShared<S>& shared, const Head<T>& head,
                                const Part<const T>& dout, const Statistics& kept,
                                std::int64_t query, int thread) {
  load<S>(thread, shared.q, head.q, query, S::queries);
  load<S>(thread, shared.dout, dout, query, S::queries);
  if (thread >= S::queries) return;
  const bool is_inside = query + thread < head.q.rows;
  shared.most[thread] = is_inside ? kept.most[query + thread] : 0.0f;
  shared.inverse[thread] = is_inside ? kept.inverse[query + thread] : 0.0f;
  shared.delta[thread] = is_inside ? kept.delta[query + thread] : 0.0f;
}

/// p and ds of a tile of scores, turned, into shared memory.
template <class S, class T>
DFASCALE_TEAM void turn_scores(KeyShared<S>& shared, const Head<T>& head, std::int64_t query,
                               std::int64_t first, int thread) {
  float scores[S::own_queries][S::own_keys], dp[S::own_queries][S::own_keys];
  multiply_rows<S>(scores, shared.q, shared.k, thread);
  scale_and_mask(scores, head.scale, query, first, thread);
  multiply_rows<S>(dp, shared.dout, shared.v, thread);
  DFASCALE_UNROLL for (int i = 0; i < S::own_queries; ++i) {
    const int row = thread / side + side * i;
    DFASCALE_UNROLL for (int j = 0; j < S::own_keys; ++j) {
      const int at = (thread % side + side * j) * (S::queries + 4) + row;
      const float p = math::exp(scores[i][j] - shared.most[row]) * shared.inverse[row];
      shared.p[at] = p;
      shared.ds[at] = p * (dp[i][j] - shared.delta[row]) * head.scale;
    }
  }
}

/// dk and dv of keys [first, first + S::keys), after all queries' statistics.
template <class S, class Team, class T>
DFASCALE_TEAM void backward_keys(Team& team, KeyShared<S>& shared, const Head<T>& head,
                                 const Part<const T>& dout, const Statistics& kept,
                                 const Part<T>& dk, const Part<T>& dv, std::int64_t first) {
  team([&](int thread, KeyMine<S>& mine) {
    mine = {};
    load<S>(thread, shared.k, head.k, first, S::keys);
    load<S>(thread, shared.v, head.v, first, S::keys);
  });
  const std::int64_t first_seen = first / S::queries * S::queries;
  for (std::int64_t query = first_seen; query < head.q.rows; query += S::queries) {
    team(
        [&](int thread, KeyMine<S>&) { load_queries<S>(shared, head, dout, kept, query, thread); });
    team([&](int thread, KeyMine<S>&) { turn_scores<S>(shared, head, query, first, thread); });
    team([&](int thread, KeyMine<S>& mine) {
      add_weighted<S, S::queries>(mine.dv, shared.p, shared.dout, thread);
      add_weighted<S, S::queries>(mine.dk, shared.ds, shared.q, thread);
    });
  }
  team([&](int thread, KeyMine<S>& mine) {
    float one[S::own_keys];
    DFASCALE_UNROLL for (float& factor : one) factor = 1.0f;
    store(dk, first, mine.dk, one, thread);
    store(dv, first, mine.dv, one, thread);
  });
}

}  // namespace dfascale::flash
