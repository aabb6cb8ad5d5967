// One checkpoint file, written whole or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/write_file.hpp"
#include "io/checkpoint.hpp"

namespace dfascale {

/// Collective.  Writes under a temporary name, flushes to disk, reads back, then gives the file its
/// name and its digest.  If any rank fails all throw, and what was at PATH is as it was.
/// `compression` as CheckpointFolder takes it.  A user's folder is written by one rank alone.
SaveTimes write_checkpoint(const std::string& path, const CheckpointMeta& meta,
                           const std::vector<ArraySlice>& arrays, int compression,
                           const WriterRanks& ranks, Folder folder = Folder::own);

}  // namespace dfascale
