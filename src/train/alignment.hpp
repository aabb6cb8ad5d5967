// How far a rule's gradient points where backpropagation's does, on a fixed probe batch (SPEC
// section 9).
#pragma once

#include <string>
#include <vector>

#include "train/learner.hpp"

namespace dfascale {

/// One tensor, one block ("blocks.3") or everything ("all").  cosine is NaN where one of the two
/// gradients is zero.
struct Alignment {
  std::string tensor;
  double cosine, norm_rule, norm_bp;
};

class AlignmentProbe {
 public:
  /// The rule's own gradient is taken by the learner's taker, whose gradients are overwritten:
  /// probe between steps only.
  AlignmentProbe(const Device& on, Gemm& gemm, const Shape& shape,
                 std::int64_t micro_batch_sequences, Learner& learner);

  /// One micro-batch of host tokens.  Order: tensors of the model, then blocks, then "all".
  std::vector<Alignment> measure(Tokens inputs, Tokens targets);

 private:
  struct Sums {
    double rule = 0, bp = 0, both = 0;
  };
  Sums sums_of(const Parameter& rule_row, const Parameter& bp_row);

  const Device& on_;
  Learner& learner_;
  Arena arena_, sum_arena_;
  std::unique_ptr<GradientTaker> backprop_;
  Vector<double> sums_;
};

/// Device memory that a probe takes, without taking it.
std::int64_t planned_probe_bytes(const Shape& shape, std::int64_t micro_batch_sequences);

}  // namespace dfascale
