// One checkpoint file, written whole or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/checkpoint.hpp"

namespace dfascale {

/// Collective.  Writes PATH.tmp, flushes it to disk, reads it back, then gives it its name and its
/// digest.  If any rank fails all throw, and what was at PATH is as it was.  `compression` as
/// CheckpointFolder takes it.
SaveTimes write_checkpoint(const std::string& path, const CheckpointMeta& meta,
                           const std::vector<ArraySlice>& arrays, int compression,
                           const WriterRanks& ranks);

}  // namespace dfascale
