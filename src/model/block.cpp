#include "model/block.hpp"

#include "kernels/norm.hpp"
#include "kernels/residual.hpp"
#include "model/linear.hpp"

namespace dfascale {

BlockActivations BlockActivations::lay_out(Arena& arena, const Shape& s, std::int64_t sequences,
                                           Precision precision, BlockParts own,
                                           const BlockActivations& shared) {
  const std::int64_t R = sequences * s.context, D = s.width;
  BlockActivations act = shared;
  const auto stored = [&](Stored& array, BlockPart part, std::int64_t cols) {
    if (own.has(part)) array = arena.stored(precision, R, cols);
  };
  stored(act.u1, BlockPart::u1, D);
  stored(act.qkv, BlockPart::qkv, 3 * D);
  stored(act.attended, BlockPart::attended, D);
  if (own.has(BlockPart::h)) act.h = arena.mat(R, D);
  stored(act.u2, BlockPart::u2, D);
  stored(act.a, BlockPart::a, 4 * D);
  stored(act.z, BlockPart::z, 4 * D);
  if (own.has(BlockPart::y)) act.y = arena.mat(R, D);
  for (Vec* statistic : {&act.mean1, &act.rstd1, &act.mean2, &act.rstd2}) *statistic = arena.vec(R);
  return act;
}

BlockScratch BlockScratch::lay_out(Arena& arena, const Shape& s, std::int64_t sequences,
                                   Precision precision) {
  const std::int64_t R = sequences * s.context, D = s.width;
  BlockScratch scratch;
  scratch.attention = arena.vec(attention_scratch({sequences, s.context, D, s.heads}));
  scratch.wide = arena.stored(precision, R, 4 * D);
  scratch.narrow = arena.stored(precision, R, D);
  if (precision != Precision::f32) scratch.rounded = arena.stored(precision, R, D);
  scratch.dh = arena.mat(R, D);
  scratch.dqkv = arena.stored(precision, R, 3 * D);
  scratch.product = arena.mat(3 * D, D);
  scratch.bias = arena.vec(3 * D);
  return scratch;
}

BlockScratch BlockScratch::with_kept_signals(Arena& arena, const Shape& s,
                                             std::int64_t sequences) const {
  const std::int64_t R = sequences * s.context, D = s.width;
  BlockScratch scratch = *this;
  scratch.wide = arena.stored(wide.precision, R, 4 * D);
  scratch.dh = arena.mat(R, D);
  scratch.dqkv = arena.stored(dqkv.precision, R, 3 * D);
  return scratch;
}

/// The equations, a part for each array that they leave.
void Block::compute(const Device& on, Gemm& gemm, BlockPart part) const {
  switch (part) {
    case BlockPart::u1:
      return norm_forward(on, act.u1, act.mean1, act.rstd1, x, p.ln1.weight, p.ln1.bias);
    case BlockPart::qkv: return project(gemm, act.qkv, act.u1, p.qkv);
    case BlockPart::attended:
      return attention_forward(on, act.attended, act.qkv, attention_shape(), scratch.attention);
    case BlockPart::h: project(gemm, act.h, act.attended, p.out); return add(on, act.h, x, act.h);
    case BlockPart::u2:
      return norm_forward(on, act.u2, act.mean2, act.rstd2, act.h, p.ln2.weight, p.ln2.bias);
    case BlockPart::a: return project(gemm, act.a, act.u2, p.fc1);
    case BlockPart::z: return activation_forward(on, act.z, act.a, shape.activation);
    case BlockPart::y: project(gemm, act.y, act.z, p.fc2); return add(on, act.y, act.h, act.y);
  }
}

void Block::forward(const Device& on, Gemm& gemm) const {
  for (const PartFacts& facts : forward_parts) compute(on, gemm, facts.part);
}

void Block::recompute(const Device& on, Gemm& gemm, BlockParts wanted) const {
  const BlockParts again = parts_again(dropped, wanted);
  for (const PartFacts& facts : forward_parts)
    if (again.has(facts.part)) compute(on, gemm, facts.part);
}

void Block::learn(const Device& on, Gemm& gemm, const Learning& how, ConstStored dy, Mat dx) const {
  learn_mlp(on, gemm, how, dy);
  learn_attention(on, gemm, how, dx);
}

/// A signal as products want it: itself, or rounded until the next one is.
ConstStored Block::operand(const Device& on, ConstStored signal) const {
  if (signal.precision == scratch.wide.precision) return signal;
  convert(on, scratch.rounded, signal);
  return scratch.rounded;
}

/// From dy to scratch.dh, the gradient at h.
void Block::learn_mlp(const Device& on, Gemm& gemm, const Learning& how, ConstStored dy) const {
  const Stored da = scratch.wide, du = scratch.narrow;
  const Mat dh = scratch.dh;
  const ConstStored signal = operand(on, dy);
  if (how.pass != Pass::input) project_backward_params(on, gemm, g.fc2, how.weights, signal, act.z);
  if (how.pass != Pass::weights) {
    project_backward_input(gemm, da, signal, p.fc2.weight);
    activation_backward(on, da, da, slope_array(how.derivative), shape.activation, how.derivative);
  }
  if (how.pass != Pass::input) project_backward_params(on, gemm, g.fc1, how.weights, da, act.u2);
  if (how.pass == Pass::weights) return;
  project_backward_input(gemm, du, da, p.fc1.weight);
  norm_backward_params(on, g.ln2.weight, g.ln2.bias, du, act.h, act.mean2, act.rstd2);
  if (how.residual == Residual::vanilla) convert(on, dh, dy);
  const Into into = how.residual == Residual::vanilla ? Into::add : Into::overwrite;
  norm_backward_input(on, dh, into, du, act.h, act.mean2, act.rstd2, p.ln2.weight);
}

/// From scratch.dh to dx.
void Block::learn_attention(const Device& on, Gemm& gemm, const Learning& how, Mat dx) const {
  const Mat dh = scratch.dh;
  const Stored dqkv = scratch.dqkv, narrow = scratch.narrow;
  const ConstStored signal = operand(on, dh);
  if (how.pass != Pass::input)
    project_backward_params(on, gemm, g.out, how.weights, signal, act.attended);
  if (how.pass != Pass::weights) {
    project_backward_input(gemm, narrow, signal, p.out.weight);
    attention_backward(on, dqkv, narrow, act.qkv, attention_shape(), scratch.attention);
  }
  if (!dx) return learn_first_norm_and_qkv(on, gemm, how.weights);
  if (how.pass != Pass::input) project_backward_params(on, gemm, g.qkv, how.weights, dqkv, act.u1);
  if (how.pass == Pass::weights) return;
  project_backward_input(gemm, narrow, dqkv, p.qkv.weight);
  norm_backward_params(on, g.ln1.weight, g.ln1.bias, narrow, x, act.mean1, act.rstd1);
  if (how.residual == Residual::vanilla) copy(on, dx.flat(), ConstMat(dh).flat());
  const Into into = how.residual == Residual::vanilla ? Into::add : Into::overwrite;
  norm_backward_input(on, dx, into, narrow, x, act.mean1, act.rstd1, p.ln1.weight);
}

/// Where nobody asks for the gradient at LN1's output: its weight and bias get theirs from dqkv^T
/// xhat, (3D, D), which spares the product dqkv W (docs/numerics.md, "LN gradient without an input
/// gradient").
void Block::learn_first_norm_and_qkv(const Device& on, Gemm& gemm, Into weights) const {
  normalize(on, scratch.narrow, x, act.mean1, act.rstd1);
  gemm({.c = scratch.product, .a = scratch.dqkv, .a_side = Side::turned, .b = scratch.narrow});
  fill(on, scratch.bias, 0.0f);
  bias_backward(on, scratch.bias, scratch.dqkv);
  norm_linear_backward_params(on, {g.ln1.weight, g.ln1.bias, g.qkv.weight, g.qkv.bias}, weights,
                              scratch.product, scratch.bias,
                              {p.ln1.weight, p.ln1.bias, p.qkv.weight});
}

void Block::learn_layers(const Device& on, Gemm& gemm, const Learning& how,
                         ConstStored signals) const {
  const std::int64_t D = shape.width;
  const ConstStored at_width = signals.cols_from(0, D);
  project_backward_params(on, gemm, g.fc2, how.weights, at_width, act.z);
  activation_backward(on, scratch.wide, signals, slope_array(how.derivative), shape.activation,
                      how.derivative);
  project_backward_params(on, gemm, g.fc1, how.weights, scratch.wide, act.u2);
  norm_backward_params(on, g.ln2.weight, g.ln2.bias, at_width, act.h, act.mean2, act.rstd2);
  project_backward_params(on, gemm, g.out, how.weights, at_width, act.attended);
  project_backward_params(on, gemm, g.qkv, how.weights, signals.cols_from(0, 3 * D), act.u1);
  norm_backward_params(on, g.ln1.weight, g.ln1.bias, at_width, x, act.mean1, act.rstd1);
}

}  // namespace dfascale
