// What a block may compute again when it learns, or fetch from elsewhere, instead of keeping it
// since its forward: forward's parts, sets of them, what each costs, and the levels that a run
// chooses from.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "kernels/activation_store.hpp"
#include "kernels/real.hpp"
#include "model/shape.hpp"

namespace dfascale {

/// Forward's parts in the order of the equations; each writes the array of its name
/// (model/block.hpp, BlockActivations), and u1 and u2 their norm's statistics.
enum class BlockPart : std::uint8_t { u1, qkv, attended, h, u2, a, z, y };

/// A set of parts.
class BlockParts {
 public:
  constexpr BlockParts() = default;
  constexpr BlockParts(std::initializer_list<BlockPart> parts) {
    for (const BlockPart part : parts) bits_ |= bit(part);
  }
  constexpr bool has(BlockPart part) const { return (bits_ & bit(part)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr BlockParts operator|(BlockParts more) const { return BlockParts(bits_ | more.bits_); }
  constexpr BlockParts without(BlockParts less) const { return BlockParts(bits_ & ~less.bits_); }
  constexpr bool operator==(const BlockParts&) const = default;

 private:
  constexpr explicit BlockParts(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(BlockPart part) { return 1u << static_cast<unsigned>(part); }
  std::uint32_t bits_ = 0;
};

/// A part and the parts whose arrays it reads; the block's input x is always there.
struct PartFacts {
  BlockPart part;
  BlockParts reads;
};
inline constexpr std::array forward_parts = {
    PartFacts{BlockPart::u1, {}},                           // LN1 x
    PartFacts{BlockPart::qkv, {BlockPart::u1}},             // QKV u1
    PartFacts{BlockPart::attended, {BlockPart::qkv}},       // Attn(qkv)
    PartFacts{BlockPart::h, {BlockPart::attended}},         // x + Out(attended)
    PartFacts{BlockPart::u2, {BlockPart::h}},               // LN2 h
    PartFacts{BlockPart::a, {BlockPart::u2}},               // FC1 u2
    PartFacts{BlockPart::z, {BlockPart::a}},                // f(a)
    PartFacts{BlockPart::y, {BlockPart::z, BlockPart::h}},  // h + FC2 z
};
/// What can be dropped: all but y, which the block above and messages read.
inline constexpr BlockParts inner_parts = {BlockPart::u1, BlockPart::qkv, BlockPart::attended,
                                           BlockPart::h,  BlockPart::u2,  BlockPart::a,
                                           BlockPart::z};

/// The parts to compute, in forward's order, for `wanted` to be there where `dropped` are not.
constexpr BlockParts parts_again(BlockParts dropped, BlockParts wanted) {
  BlockParts again;
  for (std::size_t i = forward_parts.size(); i-- > 0;) {
    const PartFacts& facts = forward_parts[i];
    if (!wanted.has(facts.part) || !dropped.has(facts.part)) continue;
    again = again | BlockParts{facts.part};
    wanted = wanted | facts.reads;
  }
  return again;
}

/// How much a block computes again.  Each level but the last drops what the one before drops, and
/// more; the last sends what it does not drop to a store (model/offload.hpp) until it learns.
enum class Recompute : std::uint8_t {
  nothing,
  elementwise,
  fc1,
  projections,
  everything,
  offloaded
};

struct RecomputeLevel {
  Recompute level;
  BlockParts dropped;
  std::string_view name;  ///< for messages; docs/numerics.md explains them
  BlockParts sent = {};
};
// clang-format off
// Comments: how many of the 16 D numbers a block then keeps of a token, and the FLOP a token of what
// it computes again (D width, T context).
inline constexpr std::array recompute_levels = {
  // 16 D, with ReLU 12 D; none
  RecomputeLevel{Recompute::nothing,     {}, "nothing"},
  // 10 D; none: no matrix product
  RecomputeLevel{Recompute::elementwise, {BlockPart::u1, BlockPart::u2, BlockPart::z}, "elementwise"},
  // 6 D; 8 D^2, a third of the forward's linears
  RecomputeLevel{Recompute::fc1,         {BlockPart::u1, BlockPart::u2, BlockPart::z, BlockPart::a}, "fc1"},
  // 2 D; 16 D^2, two thirds of them
  RecomputeLevel{Recompute::projections, {BlockPart::u1, BlockPart::u2, BlockPart::z, BlockPart::a, BlockPart::qkv, BlockPart::h}, "projections"},
  // D, which is y; 16 D^2 + 2 T D, a forward without fc2
  RecomputeLevel{Recompute::everything,  inner_parts, "everything"},
  // D, and 9 D elsewhere; none.  z goes only where it takes the place of a.
  RecomputeLevel{Recompute::offloaded,   {BlockPart::u1, BlockPart::u2, BlockPart::z}, "offloaded", {BlockPart::qkv, BlockPart::attended, BlockPart::h, BlockPart::a, BlockPart::z}},
};
// clang-format on
constexpr const RecomputeLevel& facts_of(Recompute level) {
  return recompute_levels[static_cast<std::size_t>(level)];
}

/// What computing parts takes of a token: matrix products, and bytes that go through memory in
/// everything else.  What fetching others takes.
struct RecomputeCost {
  double flops = 0, bytes = 0;
  double moved = 0;   ///< bytes to a store and back
  double waited = 0;  ///< FLOP that could be done while transfers are waited for

  /// All in FLOP.  Assumed: a byte takes as long as 12 FLOP, about 110 GFLOP/s and 9 GB/s for each
  /// core of a host.  Norms and activation then weigh an eighth of fc1 at D = 576; only where a
  /// byte took as long as 100 FLOP would another order of the levels be cheaper.
  double weighted() const { return flops + 12 * bytes + waited; }
  RecomputeCost& operator+=(const RecomputeCost& more) {
    flops += more.flops;
    bytes += more.bytes;
    moved += more.moved;
    waited += more.waited;
    return *this;
  }
};
RecomputeCost cost_of(BlockParts parts, const Shape& shape, Precision precision);

/// What a save, or a fetch, of parts takes of a token beside `hidden_by` FLOP of other work: what
/// of it that work does not hide.
RecomputeCost cost_of_save(BlockParts parts, const Shape& shape, Precision precision,
                           const StoreSpeed& store, double hidden_by);
RecomputeCost cost_of_fetch(BlockParts parts, const Shape& shape, Precision precision,
                            const StoreSpeed& store, double hidden_by);

}  // namespace dfascale
