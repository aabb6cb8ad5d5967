#include "model/stage.hpp"

#include "kernels/embed.hpp"

namespace dfascale {
namespace {

Mat fed_back_signals(Arena& arena, const Shape& shape, const Rule& rule, std::int64_t rows) {
  if (rule.inner != Credit::direct || shape.layers == 1) return {};
  return arena.mat(rows, rule.granularity == Granularity::block ? shape.width : 4 * shape.width);
}

}  // namespace

Stage::Stage(Arena& arena, const Device& on, Gemm& gemm, const Shape& shape, const Rule& rule,
             std::int64_t sequences)
    : on(on),
      gemm(gemm),
      shape(shape),
      rule(rule),
      sequences(sequences),
      micro_batch(arena, shape, sequences) {
  const std::int64_t R = sequences * shape.context;
  x0 = arena.mat(R, shape.width);
  const BlockScratch scratch = BlockScratch::lay_out(arena, shape, sequences);
  BlockActivations frozen;
  for (std::int64_t l = 0; l < shape.layers; ++l) {
    Block block{};
    block.shape = shape;
    block.sequences = sequences;
    block.scratch = scratch;
    block.x = l == 0 ? x0 : blocks.back().act.y;
    if (trains_block(rule, l, shape.layers)) {
      block.act = BlockActivations::lay_out(arena, shape, sequences);
    } else {
      if (l == 0) frozen = BlockActivations::lay_out(arena, shape, sequences);
      block.act = frozen;
    }
    blocks.push_back(block);
  }
  head = Head::lay_out(arena, shape, sequences);
  head.x = blocks.back().act.y;
  signal = arena.mat(R, shape.width);
  fed_back = fed_back_signals(arena, shape, rule, R);
}

void Stage::bind(const ParameterTable& table, ConstVec values, Vec gradients,
                 const FeedbackMatrix& matrix) {
  feedback = &matrix;
  p = ends_of(table, shape, Buffer::values, values);
  g = ends_of(table, shape, Buffer::trained, gradients);
  if (!rule.train_projector) g.projector = {};
  for (std::int64_t l = 0; l < shape.layers; ++l) {
    Block& block = blocks[static_cast<std::size_t>(l)];
    block.p = block_of(table, l, Buffer::values, values);
    block.g = block_of(table, l, Buffer::trained, gradients);
  }
  head.p = p.final_ln;
  head.g = g.final_ln;
  head.projector = p.projector;
  head.projector_gradient = g.projector;
}

void Stage::forward() {
  embed_forward(on, x0, micro_batch.inputs(), p.token_embedding, p.position_embedding);
  for (const Block& block : blocks) block.forward(on, gemm);
}

void Stage::learn_embedding(ConstMat dx0) {
  token_embedding_backward(on, g.token_embedding, dx0, micro_batch.inputs(), micro_batch.runs());
  position_embedding_backward(on, g.position_embedding, dx0);
}

}  // namespace dfascale
