// One decoder block (SPEC section 1):  h = x + Out(Attn(QKV(LN1 x))),  y = h + FC2(f(FC1(LN2 h))).
// It can do one thing beside forward: given the signal at its output, add its gradients and return
// the signal at its input. Where that signal comes from is not its business (credit/backward.cpp).
// R = B*T rows.
#pragma once

#include "kernels/activation.hpp"
#include "kernels/attention.hpp"
#include "kernels/gemm.hpp"
#include "model/arena.hpp"
#include "model/parameters.hpp"
#include "model/recompute.hpp"
#include "model/shape.hpp"

namespace dfascale {

/// What forward leaves for learn, an array for each of its parts.  What only products read or write
/// is Stored, in the precision of the run; the residual stream is float.
struct BlockActivations {
  Stored u1;         // (R, D) LN1 x
  Vec mean1, rstd1;  // (R)
  Stored qkv;        // (R, 3D)
  Stored attended;   // (R, D)
  Mat h;             // (R, D)
  Stored u2;         // (R, D) LN2 h
  Vec mean2, rstd2;  // (R)
  Stored a;          // (R, 4D) pre-activation
  Stored z;          // (R, 4D) f(a)
  Mat y;             // (R, D) output

  /// Memory for the arrays of `own` and the norms' statistics; the other arrays are those of
  /// `shared`.
  static BlockActivations lay_out(Arena& arena, const Shape& shape, std::int64_t sequences,
                                  Precision precision, BlockParts own,
                                  const BlockActivations& shared);
};

/// Working space of learn, shared by all blocks of a stage.
struct BlockScratch {
  Vec attention;
  Stored wide;     // (R, 4D)
  Stored narrow;   // (R, D)
  Stored rounded;  // (R, D) of a float signal, for products; none in f32
  Mat dh;          // (R, D)
  Stored dqkv;     // (R, 3D)
  Mat product;     // (3D, D), for the folded LN1 gradient
  Vec bias;        // (3D)

  static BlockScratch lay_out(Arena& arena, const Shape& shape, std::int64_t sequences,
                              Precision precision);
  /// The same but for what Pass::input leaves for Pass::weights, which gets memory of its own.
  BlockScratch with_kept_signals(Arena& arena, const Shape& shape, std::int64_t sequences) const;
};

/// What a backward pass computes: everything at once, or first the gradient at the input and later
/// the linears' weight and bias gradients, from what the first left (zero-bubble schedules).
enum class Pass { all, input, weights };

/// How a block learns; residual and derivative are the asymmetric options, else its calculus is
/// exact.
struct Learning {
  Pass pass;
  Residual residual;
  Derivative derivative;
  /// Of weights' gradients: a step's first micro-batch overwrites whatever was there.  All other
  /// gradients are always added to.
  Into weights;
};

/// Whether anybody uses the gradient at a block's input.
enum class InputGradient { wanted, spared };

/// Which array the nonlinearity's derivative is taken from: the pre-activation, or what is kept for
/// fc2's gradient anyway.
constexpr BlockPart slope_source(Activation activation, Derivative derivative) {
  return is_told_by_output(activation, derivative) ? BlockPart::z : BlockPart::a;
}

/// What learn() and learn_layers() read of forward's parts.
constexpr BlockParts read_by_learn(Pass pass, InputGradient input, BlockPart slope) {
  const BlockParts by_input = {BlockPart::qkv, BlockPart::h, slope};
  constexpr BlockParts by_weights = {BlockPart::attended, BlockPart::u2, BlockPart::z};
  // Without an input gradient LN1's output is taken from x.
  const BlockParts first_norm =
      input == InputGradient::wanted ? BlockParts{BlockPart::u1} : BlockParts{};
  if (pass == Pass::input) return by_input;
  if (pass == Pass::weights) return by_weights | first_norm;
  return by_input | by_weights | first_norm;
}
constexpr BlockParts read_by_learn_layers(BlockPart slope) {
  return {BlockPart::u1, BlockPart::attended, BlockPart::h, BlockPart::u2, BlockPart::z, slope};
}

/// Everything a block works with.  `x` is the output of the block below.
struct Block {
  Shape shape;
  std::int64_t sequences;
  BlockTensors<const float> p;
  BlockTensors<float> g;  ///< gradients, added to; empty where the rule trains none
  ConstMat x;             // (R, D)
  BlockActivations act;
  BlockScratch scratch;
  BlockParts dropped;  ///< arrays that other blocks overwrite

  /// One part of the forward pass.
  void compute(const Device& on, Gemm& gemm, BlockPart part) const;
  void forward(const Device& on, Gemm& gemm) const;
  /// Before learning: `wanted` arrays as forward left them, by the same kernels and so with the
  /// same bits.  Computes what is dropped and wanted, and what that in turn reads; fc2 never.
  void recompute(const Device& on, Gemm& gemm, BlockParts wanted) const;

  /// Leaves its gradients; where dx is not empty, overwrites it with the gradient at the block's
  /// input (dx may be dy in Pass::all).  An empty dx spares the product that only dx needs; then
  /// there is only Pass::all.
  void learn(const Device& on, Gemm& gemm, const Learning& how, ConstStored dy, Mat dx) const;

  /// Layer-wise feedback: signals (R, 4D) = F e; every layer's output gets its first columns, and
  /// nothing flows between layers (SPEC section 2, granularity = layer).  Always Pass::all.
  void learn_layers(const Device& on, Gemm& gemm, const Learning& how, ConstStored signals) const;

 private:
  AttentionShape attention_shape() const {
    return {sequences, shape.context, shape.width, shape.heads};
  }
  ConstStored operand(const Device& on, ConstStored signal) const;
  ConstStored slope_array(Derivative derivative) const {
    return slope_source(shape.activation, derivative) == BlockPart::z ? act.z : act.a;
  }
  void learn_mlp(const Device& on, Gemm& gemm, const Learning& how, ConstStored dy) const;
  void learn_attention(const Device& on, Gemm& gemm, const Learning& how, Mat dx) const;
  void learn_first_norm_and_qkv(const Device& on, Gemm& gemm, Into weights) const;
};

}  // namespace dfascale
