// x[b,t] = token_embedding[token[b,t]] + position_embedding[t], and its gradient (SPEC section 1).
#pragma once

#include "kernels/device.hpp"
#include "kernels/real.hpp"

namespace dfascale {

/// x (B*T, D) overwritten; inputs (B*T); token_embedding (V, D); position_embedding (T, D).
void embed_forward(const Device& on, Mat x, Tokens inputs, ConstMat token_embedding,
                   ConstMat position_embedding);

/// The places of equal tokens, grouped, so that gradients are summed in a fixed order and without
/// atomics. places (B*T): positions sorted by token, equal tokens in order of position; run r
/// covers places[start[r] .. start[r+1]).
struct TokenRuns {
  Tokens places;
  Tokens start;  // (runs + 1)
  std::int64_t runs = 0;
};

/// Fills host arrays for TokenRuns from host tokens; places (B*T), start (B*T + 1).  Returns the
/// number of runs. `count` (V) is scratch.  No allocation.
std::int64_t group_tokens(Tokens inputs, Vector<std::int32_t> places, Vector<std::int32_t> start,
                          Vector<std::int32_t> count);

/// dtoken (V, D) += sums of dx (B*T, D) over the places of each token.
void token_embedding_backward(const Device& on, Mat dtoken, ConstStored dx, Tokens inputs,
                              const TokenRuns& runs);
/// dposition (T, D) += sums of dx (B*T, D) over sequences.
void position_embedding_backward(const Device& on, Mat dposition, ConstStored dx);

}  // namespace dfascale
