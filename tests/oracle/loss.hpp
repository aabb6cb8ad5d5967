// Softmax cross-entropy in double.
#pragma once

#include <algorithm>
#include <cmath>

#include "tests/oracle/dense.hpp"

namespace dfascale::oracle {

/// One loss per row, over the first `vocab` columns.
inline Values cross_entropy(const Dense& logits, const std::vector<std::int32_t>& targets,
                            std::int64_t vocab) {
  Values losses(logits.rows);
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    double largest = logits(r, 0), sum = 0;
    for (std::int64_t v = 0; v < vocab; ++v) largest = std::max(largest, logits(r, v));
    for (std::int64_t v = 0; v < vocab; ++v) sum += std::exp(logits(r, v) - largest);
    losses[r] = largest + std::log(sum) - logits(r, targets[r]);
  }
  return losses;
}

/// Gradient of scale * (sum of the losses); 0 in padded columns.
inline Dense cross_entropy_gradient(const Dense& logits, const std::vector<std::int32_t>& targets,
                                    std::int64_t vocab, double scale) {
  const Values losses = cross_entropy(logits, targets, vocab);
  Dense gradient(logits.rows, logits.cols);
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    const double log_sum = losses[r] + logits(r, targets[r]);
    for (std::int64_t v = 0; v < vocab; ++v) {
      gradient(r, v) = scale * (std::exp(logits(r, v) - log_sum) - (v == targets[r] ? 1 : 0));
    }
  }
  return gradient;
}

}  // namespace dfascale::oracle
