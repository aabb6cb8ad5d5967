#include "train/taker_stage.hpp"

#include <cmath>

#include "base/error.hpp"
#include "comm/comm.hpp"

namespace dfascale {
namespace {

Tokens view(const std::vector<std::int32_t>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}

}  // namespace

std::int64_t TakerStage::slots() const {
  return static_cast<std::int64_t>(taker_.stage().slots.size());
}

/// Tokens, where the stage looks at any; returns the sequences that count.
std::int64_t TakerStage::load(Slot& slot, std::int64_t micro_batch) {
  const StageRange& range = taker_.stage().range;
  if (!range.has_embedding && !range.has_head) return taker_.stage().sequences;
  const std::int64_t counted = context_.tokens(micro_batch, context_.batch);
  slot.micro_batch.load(on_, view(context_.batch.inputs), view(context_.batch.targets));
  return counted;
}

void TakerStage::forward(std::int64_t slot, std::int64_t micro_batch, Mode mode, Turn turn) {
  const std::int64_t counted = load(taker_.slot(slot), micro_batch);
  if (mode == Mode::learn) taker_.forward(slot, context_.scale);
  else taker_.evaluate(slot, counted);
  check_forward(slot, mode);
  if (mode == Mode::learn && turn == Turn::last && taker_.stage().range.has_head)
    complete(taker_.stage().shape.layers);
}

/// What is not finite is found where it arises, and goes to no other stage.
void TakerStage::check_forward(std::int64_t slot, Mode mode) const {
  const ConstVec output = ConstMat(taker_.slot(slot).output()).flat();
  const bool is_fine =
      taker_.stage().range.has_head ? std::isfinite(taker_.loss_sum()) : taker_.is_finite(output);
  if (is_fine) return;
  const std::string place = taker_.first_not_finite(slot);
  fail(Exit::numerical, "the {} loss is not finite (rank {}, {})",
       mode == Mode::learn ? "training" : "validation", own_rank(),
       place.empty() ? "no block's output is the cause" : place);
}

void TakerStage::backward(std::int64_t slot, Pass pass, Turn turn) {
  if (turn == Turn::not_last) return taker_.backward(slot, pass);
  taker_.backward(slot, pass, [this](std::int64_t block) { complete(block); });
}

Vec TakerStage::input(std::int64_t slot) { return taker_.slot(slot).x.flat(); }

Vec TakerStage::output(std::int64_t slot) {
  const Slot& s = taker_.slot(slot);
  return s.blocks.empty() ? s.x.flat() : s.blocks.back().act.y.flat();
}

Vec TakerStage::input_gradient(std::int64_t slot) {
  return taker_.slot(slot).signals.front().flat();
}

Vec TakerStage::output_gradient(std::int64_t slot) {
  return taker_.slot(slot).signals.back().flat();
}

/// The bits as they are, gaps between rows included: two numbers of bf16 in a float of the message.
Vec TakerStage::fed_back(std::int64_t slot) {
  const Stored& signal = taker_.slot(slot).fed_back;
  constexpr auto float_bytes = static_cast<std::int64_t>(sizeof(float));
  const std::int64_t bytes = signal.rows * signal.stride * bytes_of(signal.precision);
  return {static_cast<float*>(signal.data), (bytes + float_bytes - 1) / float_bytes};
}

}  // namespace dfascale
