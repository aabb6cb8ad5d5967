// Blocks dealt out to stages so that the slowest stage is as fast as can be.
#pragma once

#include <cstdint>
#include <vector>

namespace dfascale {

enum class HeadAlone { allowed, never };

/// Blocks of each of `stages` stages in order: the largest sum of costs is the least possible.  The
/// last stage carries `head`, without a block (0) if that is allowed and better and there are other
/// stages; every other stage has a block at least.  Expects no more stages than blocks.
std::vector<std::int64_t> balanced_split(const std::vector<double>& block_costs, double head,
                                         std::int64_t stages, HeadAlone head_alone);

}  // namespace dfascale
