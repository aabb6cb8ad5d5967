// What a step trains on and what a validation reads.  A sample is context + 1 consecutive tokens,
// its stride is the context; sequence i of step s is a function of (seed, s, i) only (SPEC section
// 4).
#pragma once

#include <cstdint>
#include <vector>

#include "data/sample_order.hpp"
#include "data/token_stream.hpp"

namespace dfascale {

struct Batch {
  std::int64_t sequences = 0, context = 0;
  std::vector<std::int32_t> inputs, targets;  ///< (sequences * context), row-major
};

class BatchSource {
 public:
  /// Throws Error(Exit::data) if the stream is too short for one sample.
  BatchSource(TokenStream stream, std::int64_t context, std::int64_t batch_sequences,
              std::uint64_t seed, double epochs);

  std::int64_t samples_per_epoch() const { return samples_; }
  /// Tokens that may be trained on: epochs * samples_per_epoch * context.
  std::int64_t available_tokens() const;
  /// Throws Error(Exit::data), with the cure, if a run of this many tokens needs more than there
  /// are.
  void check_budget(std::int64_t tokens) const;
  /// Sequences [first, first + count) of the batch of this step, counted from 0.  Does not allocate
  /// when `out` has the right size.  Steps beyond the last epoch go on with the next one.
  void fill(std::int64_t step, std::int64_t first, std::int64_t count, Batch& out) const;
  const TokenStream& stream() const { return stream_; }

 private:
  TokenStream stream_;
  std::int64_t context_, batch_sequences_;
  double epochs_;
  std::int64_t samples_;
  SampleOrder order_;
};

/// A fixed number of evenly spread, non-overlapping sequences of the validation stream.
class ValidationSet {
 public:
  /// Throws Error(Exit::data) if the stream has fewer.
  ValidationSet(TokenStream stream, std::int64_t context, std::int64_t sequences);

  std::int64_t sequences() const { return sequences_; }
  void fill(std::int64_t first, std::int64_t count, Batch& out) const;
  const TokenStream& stream() const { return stream_; }

 private:
  TokenStream stream_;
  std::int64_t context_, sequences_, samples_;
};

}  // namespace dfascale
