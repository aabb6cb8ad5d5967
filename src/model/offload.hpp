// Blocks whose arrays are elsewhere (kernels/activation_store.hpp) from their forward until they
// learn.  They share a few buffers in the order of the blocks: one is computed into, or learned
// from, while the one before is sent, or fetched.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/activation_store.hpp"
#include "model/arena.hpp"
#include "model/block.hpp"

namespace dfascale {

class Offload {
 public:
  static constexpr std::int64_t buffers = 2;

  /// By block of the stage, what it sends; nothing: it has no part in this.
  struct Request {
    std::vector<BlockParts> sent;
    std::int64_t slots = 1;
    /// Whether all blocks learn, once and at once, right after the last one's forward: what is in
    /// the buffers then need not be sent.
    bool learns_at_once = false;
  };
  Offload() = default;
  Offload(Arena& arena, const Shape& shape, std::int64_t sequences, Precision precision,
          const Request& request);

  bool is_used() const { return !bytes_.empty(); }
  bool sends(std::int64_t block) const { return turn_of(block) >= 0; }
  /// The arrays that a block sends, and its norms' statistics, in its buffer; the others are those
  /// of `shared`.
  BlockActivations lay_out(std::int64_t block, const BlockActivations& shared) const;
  /// What a store must have room for, from the place that it is connected at.
  std::int64_t stored_bytes() const;
  void connect(ActivationStore& store, std::int64_t place);

  /// In every slot, for every block of the stage, in this order: waits until the block's buffer may
  /// be written; begins to send it, if anybody will ask for it.
  void before_forward(std::int64_t block);
  void after_forward(std::int64_t slot, std::int64_t block);
  /// Blocks will learn, from the last to the first: begins to fetch.
  void before_learning(std::int64_t slot);
  /// Waits until the block's arrays are there, and begins to fetch those of the next to learn.
  void before_learning(std::int64_t slot, std::int64_t block);

 private:
  struct Buffer {
    Vector<std::byte> memory;
    std::int64_t holds = -1;              ///< which turn's arrays of which slot
    std::int64_t used_by = 0, fetch = 0;  ///< transfers: the last one; the one that filled it
  };
  static std::size_t buffer_of(std::int64_t turn) {
    return static_cast<std::size_t>(turn % buffers);
  }
  std::int64_t turns() const { return static_cast<std::int64_t>(bytes_.size()); }
  std::int64_t turn_of(std::int64_t block) const {
    return turn_of_.empty() ? -1 : turn_of_[static_cast<std::size_t>(block)];
  }
  std::int64_t place_of(std::int64_t slot, std::int64_t turn) const;
  bool is_sent(std::int64_t turn) const;
  void fetch(std::int64_t slot, std::int64_t turn);

  Shape shape_{};
  std::int64_t sequences_ = 0, slots_ = 0;
  Precision precision_ = Precision::f32;
  bool learns_at_once_ = false;
  std::vector<BlockParts> sent_;       ///< by block; empty: none sends any
  std::vector<std::int64_t> turn_of_;  ///< likewise: its number among those that send, or -1
  std::vector<std::int64_t> bytes_;    ///< by turn, in whole pages
  std::array<Buffer, buffers> buffers_;
  ActivationStore* store_ = nullptr;
  std::int64_t first_place_ = 0;
};

/// Memory that the buffers take where the largest block sends these parts.
std::int64_t offload_buffer_bytes(const Shape& shape, std::int64_t sequences, Precision precision,
                                  BlockParts sent);

}  // namespace dfascale
