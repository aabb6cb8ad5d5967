// Our gradients, losses and optimiser steps beside those of a golden file (SPEC section 11).
#pragma once

#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "deck/settings.hpp"
#include "io/golden.hpp"
#include "kernels/gemm.hpp"

namespace dfascale {

/// One line of the table: what was compared, how far it is off, what is allowed.
struct Comparison {
  std::string what;  ///< "loss", a tensor's name, "after3 (99.9 %)"
  double error, allowed;
  bool passed() const { return error <= allowed; }  // NaN fails
};

struct VariantResult {
  std::string variant;
  std::vector<Comparison> comparisons;
  bool passed() const;
  /// The comparison that uses most of what is allowed to it.
  const Comparison& worst() const;
};

/// Runs one variant on a layout (batch_sequences is the file's) in a precision; in bf16 without
/// AdamW steps.  Collective; the result is that of all ranks.  Throws Error(Exit::usage) if the
/// layout does not fit the file's sizes or the rule.
VariantResult check_variant(const Comm& comm, const Device& on, Gemm& gemm, const Golden& golden,
                            const GoldenVariant& variant, const ParallelSettings& layout,
                            Precision precision);

}  // namespace dfascale
