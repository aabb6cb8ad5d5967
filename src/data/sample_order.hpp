// The order of training samples: a pseudo-random permutation of each epoch with random access, so
// that any step of any layout or restart knows its samples without a list (SPEC section 4).
#pragma once

#include <cstdint>

namespace dfascale {

/// A Feistel network over the next power of four, its rounds Philox of (seed, epoch), walked until
/// it falls below the number of samples.
class SampleOrder {
 public:
  SampleOrder(std::uint64_t seed, std::int64_t samples);
  /// The sample at a place in the order.  `position` counts on over epochs: position / samples is
  /// the epoch.
  std::int64_t at(std::int64_t position) const;

 private:
  std::uint64_t seed_;
  std::int64_t samples_;
  int half_bits_;  ///< the network permutes numbers of 2 * half_bits_ bits
};

}  // namespace dfascale
