#include "model/recompute.hpp"

#include <algorithm>

namespace dfascale {
namespace {

constexpr double float_bytes = 4;  // the residual stream

RecomputeCost cost_of(BlockPart part, const Shape& shape, Precision precision) {
  const double D = static_cast<double>(shape.width), T = static_cast<double>(shape.context);
  const double H = static_cast<double>(shape.heads);
  const double stored = static_cast<double>(bytes_of(precision));
  const double norm = D * (float_bytes + stored), sum = 3 * D * float_bytes;
  switch (part) {
    case BlockPart::u1:
    case BlockPart::u2: return {0, norm};
    case BlockPart::qkv: return {2 * D * 3 * D, 0};
    // Causal: half of T^2.  Scores are written and read once, in float.
    case BlockPart::attended: return {2 * T * D, H * T / 2 * 2 * float_bytes};
    case BlockPart::h: return {2 * D * D, sum};
    case BlockPart::a: return {2 * D * 4 * D, 0};
    case BlockPart::z: return {0, 2 * 4 * D * stored};
    case BlockPart::y: return {2 * D * 4 * D, sum};
  }
  return {};
}

/// Of a token's row in the array that a part leaves.
double bytes_of(BlockPart part, const Shape& shape, Precision precision) {
  const double D = static_cast<double>(shape.width);
  const double stored = static_cast<double>(bytes_of(precision));
  switch (part) {
    case BlockPart::u1:
    case BlockPart::attended:
    case BlockPart::u2: return D * stored;
    case BlockPart::qkv: return 3 * D * stored;
    case BlockPart::a:
    case BlockPart::z: return 4 * D * stored;
    case BlockPart::h:
    case BlockPart::y: return D * float_bytes;
  }
  return 0;
}

/// `rate` in bytes a second.
RecomputeCost cost_of_moving(BlockParts parts, const Shape& shape, Precision precision,
                             double flops_a_second, double rate, double hidden_by) {
  RecomputeCost cost;
  for (const PartFacts& facts : forward_parts)
    if (parts.has(facts.part)) cost.moved += bytes_of(facts.part, shape, precision);
  if (rate > 0) cost.waited = std::max(0.0, cost.moved * flops_a_second / rate - hidden_by);
  return cost;
}

}  // namespace

RecomputeCost cost_of_save(BlockParts parts, const Shape& shape, Precision precision,
                           const StoreSpeed& store, double hidden_by) {
  return cost_of_moving(parts, shape, precision, store.flops, store.save, hidden_by);
}

RecomputeCost cost_of_fetch(BlockParts parts, const Shape& shape, Precision precision,
                            const StoreSpeed& store, double hidden_by) {
  return cost_of_moving(parts, shape, precision, store.flops, store.fetch, hidden_by);
}

RecomputeCost cost_of(BlockParts parts, const Shape& shape, Precision precision) {
  RecomputeCost sum;
  for (const PartFacts& facts : forward_parts)
    if (parts.has(facts.part)) sum += cost_of(facts.part, shape, precision);
  return sum;
}

}  // namespace dfascale
