// What a run will take of a rank's memory, by what it is for.
#pragma once

#include <vector>

#include "deck/settings.hpp"
#include "train/learner.hpp"

namespace dfascale {

/// Of the rank of a pipeline that takes most: its stages, the alignment probe's, and what the
/// program itself holds now.
std::vector<MemoryRow> predicted_memory(const Settings& settings);

std::int64_t bytes_of(const std::vector<MemoryRow>& rows);

/// The table, with its sum.
void say_memory(const std::vector<MemoryRow>& rows);

}  // namespace dfascale
