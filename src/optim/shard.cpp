#include "optim/shard.hpp"

#include <algorithm>

namespace dfascale {
namespace {

/// The last beginning of a row at or before a place of the trained buffers.
std::int64_t row_start(const ParameterTable& table, std::int64_t place) {
  std::int64_t start = 0;
  for (const Parameter& p : table.all()) {
    if (p.trained_offset < 0 || p.trained_offset > place) continue;
    const std::int64_t row = std::min((place - p.trained_offset) / p.cols, p.padded_rows);
    start = std::max(start, p.trained_offset + row * p.cols);
  }
  return start;
}

}  // namespace

std::vector<std::int64_t> shard_cuts(const ParameterTable& table, std::int64_t replicas) {
  std::vector<std::int64_t> cuts = {0};
  for (std::int64_t r = 1; r < replicas; ++r)
    cuts.push_back(row_start(table, table.trained_size() * r / replicas));
  cuts.push_back(table.trained_size());
  return cuts;
}

ShardRows rows_in(const Parameter& p, const Shard& shard) {
  const auto row_of = [&](std::int64_t place) {
    return std::clamp<std::int64_t>((place - p.trained_offset) / p.cols, 0, p.rows);
  };
  if (p.trained_offset < 0 || shard.end <= p.trained_offset) return {0, 0};
  const std::int64_t first = shard.first <= p.trained_offset ? 0 : row_of(shard.first);
  return {first, row_of(shard.end) - first};
}

}  // namespace dfascale
