// Which part of the model a stage holds.
#pragma once

#include <cstdint>
#include <vector>

namespace dfascale {

/// Blocks [first, end); the first stage also the embedding, the last also final LN and projector.
struct StageRange {
  std::int64_t first, end;
  bool has_embedding, has_head;

  std::int64_t blocks() const { return end - first; }
  bool holds_block(std::int64_t block) const { return first <= block && block < end; }
};

inline StageRange whole_model(std::int64_t layers) { return {0, layers, true, true}; }

/// From blocks per stage; the last stage may have none: it is the head alone.
inline std::vector<StageRange> stage_ranges(const std::vector<std::int64_t>& blocks) {
  std::vector<StageRange> ranges;
  std::int64_t first = 0;
  for (const std::int64_t count : blocks) {
    ranges.push_back({first, first + count, ranges.empty(), ranges.size() + 1 == blocks.size()});
    first += count;
  }
  return ranges;
}

}  // namespace dfascale
