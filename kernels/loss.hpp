// Softmax cross-entropy on a chunk of rows of logits, and its gradient in place (SPEC section 1).
#pragma once

#include "kernels/device.hpp"
#include "kernels/real.hpp"

namespace dfascale {

/// losses (R) = log(sum_v exp(logits[r,v])) - logits[r, targets[r]], in nats, over the first
/// `vocab` columns; the padded rest has no probability.  Overwrites losses.
void cross_entropy(const Device& on, Vec losses, ConstStored logits, Tokens targets,
                   std::int64_t vocab);

/// The same, and logits is overwritten by its gradient scale * (softmax - onehot); padded columns
/// get 0.
void cross_entropy_with_gradient(const Device& on, Vec losses, Stored logits, Tokens targets,
                                 std::int64_t vocab, float scale);

}  // namespace dfascale
