// Which node holds which part of a layout, said in few lines however many ranks there are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/comm.hpp"

namespace dfascale {

/// A line for each node, or for neighbouring nodes that go on where the one before ends:
/// "gpu000 to gpu015 (16 nodes): replicas 0-127, pipeline rank 0".  `hosts` by rank; rank = place
/// in the pipeline * dp + replica (comm/grid.hpp).  At most `shown` lines and one that counts the
/// rest.
std::vector<std::string> placement(const std::vector<std::string>& hosts, std::int64_t dp,
                                   std::size_t shown = 16);

/// Rank 0 says where the ranks are; nothing where there is one only.  Collective.
void say_placement(const Comm& world, std::int64_t dp);

}  // namespace dfascale
