// ZeRO-1: each replica keeps and updates one part of the trained tensors (Rajbhandari et al. 2020,
// stage 1).
#pragma once

#include <cstdint>
#include <vector>

#include "model/parameters.hpp"

namespace dfascale {

/// A part of the buffers of trained tensors, in floats: [first, end).
struct Shard {
  std::int64_t first, end;
  std::int64_t size() const { return end - first; }
};

/// Where the buffers of trained tensors are cut for `replicas` owners: replicas + 1 places, equal
/// parts but for the alignment to whole rows, so that files can hold each part as rows.
std::vector<std::int64_t> shard_cuts(const ParameterTable& table, std::int64_t replicas);

/// The rows of a trained tensor that lie in the shard: all, some, or none (rows == 0).
struct ShardRows {
  std::int64_t first_row, rows;
};
ShardRows rows_in(const Parameter& p, const Shard& shard);

}  // namespace dfascale
