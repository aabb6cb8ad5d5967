// One micro-batch on the device: inputs, targets, and the places of equal tokens for the
// embedding's gradient.
#pragma once

#include <vector>

#include "kernels/embed.hpp"
#include "model/arena.hpp"
#include "model/shape.hpp"

namespace dfascale {

class MicroBatch {
 public:
  MicroBatch() = default;
  /// Host staging and device arrays for `sequences` sequences.
  MicroBatch(Arena& arena, const Shape& shape, std::int64_t sequences);

  /// Uploads sequences * T tokens each.  No allocation.
  void load(const Device& on, Tokens inputs, Tokens targets);

  Tokens inputs() const { return inputs_; }    // (B*T), device
  Tokens targets() const { return targets_; }  // (B*T), device
  TokenRuns runs() const { return {places_, {start_.data, runs_ + 1}, runs_}; }

 private:
  Vector<std::int32_t> inputs_, targets_, places_, start_;
  std::vector<std::int32_t> host_places_, host_start_, host_count_;
  std::int64_t runs_ = 0;
};

}  // namespace dfascale
