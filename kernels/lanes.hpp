// Vectors of GCC and Clang, element by element known as lanes: what sums and maxima of a row are
// kept in on hosts.
#pragma once

#include <cstddef>
#include <utility>

#include "kernels/span.hpp"

namespace dfascale {

template <class V>
inline constexpr int lanes_of = sizeof(V) / sizeof(V{}[0]);

/// Lane l gets what lane l ^ by has: for a power of two, halves change places.  By reference: wide
/// vectors are returned in one way where processors have them and in another where not.
template <int by, class V, int... l>
DFASCALE_INLINE void swap_lanes(V& to, const V& from, std::integer_sequence<int, l...>) {
  to = __builtin_shufflevector(from, from, (l ^ by)...);
}

/// All lanes put together by op(into, next): the halves, then their halves, and so on.  Overwrites
/// them.
template <class V, class Op, int half = lanes_of<V> / 2>
DFASCALE_INLINE auto fold(V& all, const Op& op) {
  V other;
  swap_lanes<half>(other, all, std::make_integer_sequence<int, lanes_of<V>>());
  op(all, other);
  if constexpr (half > 1) return fold<V, Op, half / 2>(all, op);
  else return all[0];
}

}  // namespace dfascale
