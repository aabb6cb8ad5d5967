// How far a rule's gradient points where backpropagation's does, on a fixed probe batch (SPEC
// section 9).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "train/parallel_learner.hpp"

namespace dfascale {

/// One tensor, one block ("blocks.3") or everything ("all").  cosine is NaN where one of the two
/// gradients is zero.
struct Alignment {
  std::string tensor;
  double cosine, norm_rule, norm_bp;
};

class AlignmentProbe {
 public:
  /// Backpropagation over the model's parameters, on the same stages.  The rule's own gradient is
  /// taken by the model, whose gradients are overwritten: probe between steps only.  Collective.
  AlignmentProbe(const Comm& world, const Device& on, Gemm& gemm, const Training& training,
                 ParallelLearner& model);
  ~AlignmentProbe();

  /// One micro-batch.  Order: tensors of the model, then blocks, then "all"; on rank 0, empty
  /// elsewhere.  Collective.
  std::vector<Alignment> measure(const TokenSource& tokens);

  /// Device memory that a probe takes on a rank, without taking it; a tied matrix's exchange in a
  /// pipeline left out.
  static std::int64_t planned_bytes(const Training& training, int place);

 private:
  struct Stages;
  struct Sums {
    double rule = 0, bp = 0, both = 0;
  };
  Sums sums_of(ConstVec rule, ConstVec bp);
  std::string own_sums();

  const Comm& world_;
  const Device& on_;
  ParallelLearner& model_;
  Training training_;
  StepContext context_;
  Plan plan_;
  Trace trace_;
  Arena arena_, sum_arena_;
  std::unique_ptr<Stages> stages_;
  std::unique_ptr<Engine> engine_;
  Vector<double> sums_;
};

}  // namespace dfascale
