// The head: final LN, projector and mean cross-entropy, in chunks of rows so that the logits of a
// batch are never stored.
#pragma once

#include "kernels/gemm.hpp"
#include "model/arena.hpp"
#include "model/parameters.hpp"
#include "model/shape.hpp"

namespace dfascale {

/// Where the error at the logits is asked for (credit/rule.hpp, ErrorTap::logits): signals (R, w) =
/// dlogits F^T, with F (w, V padded).  Empty where it is not.
struct LogitsTap {
  ConstStored feedback;
  Stored signals;
};

struct Head {
  Shape shape;
  NormTensors<const float> p;
  NormTensors<float> g;
  ConstStored projector;   // (V, D)
  Mat projector_gradient;  // (V, D), or empty: the rule does not train it
  Stored normed;           // (R, D) final LN's output
  Vec mean, rstd;          // (R)
  Stored error;            // (R, D) e = dloss/dnormed: the preprojector error
  Vec losses;              // (R)
  Stored logits;           // (chunk, V)

  /// Activations and working space; the rest is filled in by the stage.  Every call takes x (R, D),
  /// the last block's output.
  static Head lay_out(Arena& arena, const Shape& shape, std::int64_t sequences,
                      Precision precision);

  /// Logits of what follows row `row`: (1, padded V), the first row of `logits`.
  ConstStored logits_after(const Device& on, Gemm& gemm, ConstMat x, std::int64_t row) const;

  /// losses (R), each token's cross-entropy in nats.
  void evaluate(const Device& on, Gemm& gemm, ConstMat x, Tokens targets) const;

  /// losses, error = scale * d(sum of losses)/dnormed, gradients of final LN added, that of the
  /// projector overwritten (a step's first micro-batch) or added, dx (R, D) overwritten with the
  /// gradient at the last block's output.
  void learn(const Device& on, Gemm& gemm, ConstMat x, Tokens targets, float scale, Into weights,
             const LogitsTap& tap, Mat dx) const;
};

}  // namespace dfascale
