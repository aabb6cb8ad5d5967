// Causal multi-head softmax attention (SPEC section 1), blocked so that no [T, T] matrix of all
// heads is ever stored. qkv (B*T, 3*D): columns q, k, v; head i owns columns i*D/H .. (i+1)*D/H of
// each third.
#pragma once

#include "kernels/device.hpp"
#include "kernels/real.hpp"

namespace dfascale {

struct AttentionShape {
  std::int64_t sequences, context, width, heads;
};

/// Floats of scratch that forward and backward need: on hosts for each thread, whatever the number
/// of sequences and heads.  On GPUs throws Error(Exit::usage) if heads are wider than 256.
std::int64_t attention_scratch(const AttentionShape& shape);

/// out (B*T, D) = softmax(q k^T / sqrt(D/H), causal) v; overwritten.  out and qkv have one
/// precision; scores, probabilities and sums are float.
void attention_forward(const Device& on, Stored out, ConstStored qkv, const AttentionShape& shape,
                       Vec scratch);

/// dqkv (B*T, 3*D) overwritten, from dout (B*T, D) and qkv, all of one precision.  Computes the
/// probabilities again, as forward did.
void attention_backward(const Device& on, Stored dqkv, ConstStored dout, ConstStored qkv,
                        const AttentionShape& shape, Vec scratch);

}  // namespace dfascale
