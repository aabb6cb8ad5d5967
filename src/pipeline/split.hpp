// Blocks dealt out to stages so that the slowest stage is as fast as can be.
#pragma once

#include <cstdint>
#include <vector>

namespace dfascale {

/// Blocks of each of `stages` stages, at least one each, in order: the largest sum of costs is the
/// least possible.  The last stage also carries `head`.  Expects no more stages than blocks.
std::vector<std::int64_t> balanced_split(const std::vector<double>& block_costs, double head,
                                         std::int64_t stages);

}  // namespace dfascale
