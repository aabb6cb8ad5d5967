#include "model/stage.hpp"

#include <algorithm>
#include <optional>

#include "kernels/embed.hpp"
#include "kernels/residual.hpp"

namespace dfascale {
namespace {

/// Whether F e comes to anything but the last block.
bool feeds_back(const Rule& rule, std::int64_t layers) {
  return rule.inner == Credit::direct && layers > 1;
}

/// What blocks of a stage send, and when they ask for it.
Offload::Request offload_request(const StageLayout& layout) {
  return {layout.sent, layout.slots, layout.slots == 1 && !layout.splits_backward};
}

/// Every block of the stage, and after(block) when its arrays are there.
template <class After>
void forward_blocks(Stage& s, const Slot& slot, const After& after) {
  for (std::int64_t i = 0; i < s.range.blocks(); ++i) {
    s.offload.before_forward(i);
    slot.blocks[static_cast<std::size_t>(i)].forward(s.on, s.gemm);
    after(i);
  }
}

/// What of a buffer is in none of the matrices, each of which is one piece of it.
std::vector<Vec> outside(Vec buffer, std::vector<Mat> matrices) {
  std::erase_if(matrices, [](const Mat& m) { return !m; });
  std::ranges::sort(matrices, {}, &Mat::data);
  std::vector<Vec> parts;
  std::int64_t first = 0;
  const auto up_to = [&](std::int64_t end) {
    if (end > first) parts.push_back(buffer.part(first, end - first));
  };
  for (const Mat& m : matrices) {
    up_to(m.data - buffer.data);
    first = m.data - buffer.data + m.flat().size;
  }
  up_to(buffer.size);
  return parts;
}

/// Whether a gradient passes anywhere in the stage.
bool has_signal(const Rule& rule, const StageRange& range, std::int64_t layers) {
  return range.has_head || takes_gradient(rule, range, layers) ||
         (range.holds_block(0) && layers > 1 && rule.embedding == EmbeddingCredit::block);
}

}  // namespace

bool is_fed_back(const Rule& rule, const StageRange& range, std::int64_t layers) {
  if (!feeds_back(rule, layers)) return false;
  return std::min(range.end, layers - 1) > range.first ||
         (range.has_embedding && rule.embedding == EmbeddingCredit::direct);
}

bool takes_gradient(const Rule& rule, const StageRange& range, std::int64_t layers) {
  return !range.has_head && (rule.inner == Credit::chain || range.end == layers);
}

BlockParts shared_parts(const Rule& rule, const StageLayout& layout, std::int64_t layers) {
  BlockParts shared;
  for (std::int64_t l = layout.range.first; l < layout.range.end; ++l)
    shared = shared | (trains_block(rule, l, layers) ? layout.dropped_by(l) : inner_parts);
  return shared;
}

Stage::Stage(Arena& arena, const Device& on, Gemm& gemm, const Shape& shape, const Rule& rule,
             const StageLayout& layout)
    : on(on),
      gemm(gemm),
      shape(shape),
      rule(rule),
      range(layout.range),
      sequences(layout.sequences),
      precision(layout.precision),
      replay(on, gemm) {
  const BlockScratch scratch = range.blocks() > 0
                                   ? BlockScratch::lay_out(arena, shape, sequences, precision)
                                   : BlockScratch{};
  const BlockParts shared = shared_parts(rule, layout, shape.layers);
  const BlockActivations set =
      shared.empty() ? BlockActivations{}
                     : BlockActivations::lay_out(arena, shape, sequences, precision, shared, {});
  offload = Offload(arena, shape, sequences, precision, offload_request(layout));
  for (std::int64_t i = 0; i < layout.slots; ++i)
    slots.push_back(lay_out_slot(arena, layout, scratch, set));
  if (range.has_head) head = Head::lay_out(arena, shape, sequences, precision);
  if (precision != Precision::f32) lay_out_weights(arena);
}

Slot Stage::lay_out_slot(Arena& arena, const StageLayout& layout, const BlockScratch& scratch,
                         const BlockActivations& shared) const {
  const std::int64_t R = sequences * shape.context, D = shape.width;
  Slot slot;
  slot.number = static_cast<std::int64_t>(slots.size());
  if (range.has_embedding || range.has_head) slot.micro_batch = MicroBatch(arena, shape, sequences);
  slot.x = arena.mat(R, D);
  std::optional<Mat> frozen;  // output of all frozen blocks: nobody reads it but the next block
  for (std::int64_t l = range.first; l < range.end; ++l) {
    Block block{};
    block.shape = shape;
    block.sequences = sequences;
    block.x = slot.output();
    block.scratch =
        layout.splits_backward ? scratch.with_kept_signals(arena, shape, sequences) : scratch;
    block.dropped = layout.dropped_by(l);
    if (offload.sends(l - range.first)) {
      block.act = offload.lay_out(l - range.first, shared);
      block.act.y = arena.mat(R, D);
    } else if (trains_block(rule, l, shape.layers)) {
      const BlockParts own = (inner_parts | BlockParts{BlockPart::y}).without(block.dropped);
      block.act = BlockActivations::lay_out(arena, shape, sequences, precision, own, shared);
    } else {
      if (!frozen) frozen = arena.mat(R, D);
      block.act = shared;
      block.act.y = *frozen;
    }
    slot.blocks.push_back(block);
  }
  slot.signals = lay_out_signals(arena, layout.splits_backward);
  const bool makes_error = range.has_head && feeds_back(rule, shape.layers);
  if (makes_error || is_fed_back(rule, range, shape.layers))
    slot.fed_back = arena.stored(precision, R, rule.granularity == Granularity::block ? D : 4 * D);
  return slot;
}

std::vector<Mat> Stage::lay_out_signals(Arena& arena, bool splits_backward) const {
  const std::int64_t R = sequences * shape.context;
  std::vector<Mat> signals(static_cast<std::size_t>(range.blocks()) + 1);
  if (!has_signal(rule, range, shape.layers)) return signals;
  for (Mat& signal : signals)
    signal = splits_backward || &signal == &signals.front() ? arena.mat(R, shape.width)
                                                            : signals.front();
  return signals;
}

/// In the order in which bind() goes over them.
void Stage::lay_out_weights(Arena& arena) {
  const std::int64_t D = shape.width;
  const auto add = [&](std::int64_t rows, std::int64_t cols) {
    weights_.push_back({{}, arena.stored(precision, rows, cols)});
  };
  for (std::int64_t l = range.first; l < range.end; ++l) {
    add(3 * D, D);
    add(D, D);
    add(4 * D, D);
    add(D, 4 * D);
  }
  if (range.has_head) add(shape.padded_vocab(), D);
}

void Stage::bind(const ParameterTable& of_values, ConstVec values,
                 const ParameterTable& of_gradients, Vec gradients, const FeedbackMatrix& matrix) {
  replay.forget();
  feedback = &matrix;
  p = ends_of(of_values, shape, Buffer::values, values);
  g = ends_of(of_gradients, shape, Buffer::trained, gradients);
  if (!rule.train_projector) g.projector = {};
  auto next = weights_.begin();
  const auto for_products = [&](ConstStored& weight) {
    if (next == weights_.end()) return;
    next->exact = weight.as<const float>();
    weight = next++->rounded;
  };
  for (std::int64_t l = range.first; l < range.end; ++l) {
    auto own = block_of(of_values, l, Buffer::values, values);
    for (LinearTensors<const float>* linear : {&own.qkv, &own.out, &own.fc1, &own.fc2})
      for_products(linear->weight);
    for (Slot& slot : slots) {
      Block& block = slot.blocks[static_cast<std::size_t>(l - range.first)];
      block.p = own;
      block.g = block_of(of_gradients, l, Buffer::trained, gradients);
    }
  }
  if (range.has_head) {
    head.p = p.final_ln;
    head.g = g.final_ln;
    head.projector = p.projector;
    for_products(head.projector);
    head.projector_gradient = g.projector;
  }
  added_to_ = outside(gradients, weight_gradients());
}

/// Those that products make.
std::vector<Mat> Stage::weight_gradients() const {
  std::vector<Mat> found;
  for (const Block& block : slots.front().blocks)
    for (const LinearTensors<float>* linear :
         {&block.g.qkv, &block.g.out, &block.g.fc1, &block.g.fc2})
      found.push_back(linear->weight);
  if (range.has_head) found.push_back(head.projector_gradient);
  return found;
}

void Stage::begin_gradients() {
  fresh.begin(range);
  replay({"zeros"}, [this] {
    for (const Vec& part : added_to_) fill(on, part, 0.0f);
  });
}

void Stage::round_weights() {
  if (weights_.empty()) return;
  replay({"rounding"}, [this] {
    for (const Rounded& weight : weights_) convert(on, weight.rounded, weight.exact);
  });
}

void Stage::embed(const Slot& slot) const {
  if (range.has_embedding)
    embed_forward(on, slot.x, slot.micro_batch.inputs(), p.token_embedding, p.position_embedding);
}

void Stage::forward(const Slot& slot) {
  embed(slot);
  forward_blocks(*this, slot, [&](std::int64_t i) { offload.after_forward(slot.number, i); });
}

void Stage::forward_only(const Slot& slot) {
  embed(slot);
  forward_blocks(*this, slot, [](std::int64_t) {});
}

void Stage::evaluate(const Slot& slot) {
  head.evaluate(on, gemm, slot.output(), slot.micro_batch.targets());
}

void Stage::learn_embedding(const Slot& slot, ConstStored dx0) const {
  token_embedding_backward(on, g.token_embedding, dx0, slot.micro_batch.inputs(),
                           slot.micro_batch.runs());
  position_embedding_backward(on, g.position_embedding, dx0);
}

}  // namespace dfascale
