#include "model/offload.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace dfascale {
namespace {

std::int64_t whole_pages(std::int64_t bytes) {
  return (bytes + store_page - 1) / store_page * store_page;
}

std::int64_t bytes_sent(const Shape& shape, std::int64_t sequences, Precision precision,
                        BlockParts sent) {
  Arena counting;
  BlockActivations::lay_out(counting, shape, sequences, precision, sent, {});
  return whole_pages(counting.bytes());
}

}  // namespace

std::int64_t offload_buffer_bytes(const Shape& shape, std::int64_t sequences, Precision precision,
                                  BlockParts sent) {
  Arena counting;
  for (std::int64_t i = 0; i < Offload::buffers; ++i)
    counting.pages(bytes_sent(shape, sequences, precision, sent), store_page);
  return counting.bytes();
}

Offload::Offload(Arena& arena, const Shape& shape, std::int64_t sequences, Precision precision,
                 const Request& request)
    : shape_(shape),
      sequences_(sequences),
      slots_(request.slots),
      precision_(precision),
      learns_at_once_(request.learns_at_once),
      sent_(request.sent) {
  for (const BlockParts sent : sent_) {
    turn_of_.push_back(sent.empty() ? -1 : turns());
    if (!sent.empty()) bytes_.push_back(bytes_sent(shape, sequences, precision, sent));
  }
  if (bytes_.empty()) return;
  for (Buffer& buffer : buffers_)
    buffer.memory = arena.pages(*std::ranges::max_element(bytes_), store_page);
}

BlockActivations Offload::lay_out(std::int64_t block, const BlockActivations& shared) const {
  Arena within(buffers_[buffer_of(turn_of(block))].memory);
  return BlockActivations::lay_out(within, shape_, sequences_, precision_,
                                   sent_[static_cast<std::size_t>(block)], shared);
}

std::int64_t Offload::stored_bytes() const { return place_of(slots_, 0) - first_place_; }

void Offload::connect(ActivationStore& store, std::int64_t place) {
  store_ = &store;
  first_place_ = place;
}

std::int64_t Offload::place_of(std::int64_t slot, std::int64_t turn) const {
  const std::int64_t of_slot = std::accumulate(bytes_.begin(), bytes_.end(), std::int64_t{0});
  return std::accumulate(bytes_.begin(), bytes_.begin() + turn, first_place_ + slot * of_slot);
}

/// The last ones to be computed are the first to learn, and still there.
bool Offload::is_sent(std::int64_t turn) const {
  return !learns_at_once_ || turn + buffers < turns();
}

void Offload::before_forward(std::int64_t block) {
  const std::int64_t turn = turn_of(block);
  if (turn < 0) return;
  Buffer& buffer = buffers_[buffer_of(turn)];
  buffer.holds = -1;
  if (store_ != nullptr) store_->wait(buffer.used_by);
}

void Offload::after_forward(std::int64_t slot, std::int64_t block) {
  const std::int64_t turn = turn_of(block);
  if (turn < 0) return;
  Buffer& buffer = buffers_[buffer_of(turn)];
  buffer.holds = slot * turns() + turn;
  buffer.fetch = 0;
  if (store_ == nullptr) throw std::logic_error("offload: no store was connected");
  if (is_sent(turn))
    buffer.used_by = store_->begin_save(
        place_of(slot, turn), buffer.memory.part(0, bytes_[static_cast<std::size_t>(turn)]));
}

void Offload::fetch(std::int64_t slot, std::int64_t turn) {
  Buffer& buffer = buffers_[buffer_of(turn)];
  if (buffer.holds == slot * turns() + turn) return;
  buffer.holds = slot * turns() + turn;
  buffer.fetch = buffer.used_by = store_->begin_fetch(
      place_of(slot, turn), buffer.memory.part(0, bytes_[static_cast<std::size_t>(turn)]));
}

void Offload::before_learning(std::int64_t slot) {
  for (std::int64_t i = 1; i <= std::min(buffers, turns()); ++i) fetch(slot, turns() - i);
}

void Offload::before_learning(std::int64_t slot, std::int64_t block) {
  const std::int64_t turn = turn_of(block);
  if (turn < 0) return;
  fetch(slot, turn);
  if (turn > 0) fetch(slot, turn - 1);
  store_->wait(buffers_[buffer_of(turn)].fetch);
}

}  // namespace dfascale
