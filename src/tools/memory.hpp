// What a run will take of a rank's memory, by what it is for.
#pragma once

#include <vector>

#include "deck/settings.hpp"
#include "train/learner.hpp"

namespace dfascale {

/// The learner's arena, the alignment probe's, what the program itself holds now, and what
/// libraries keep beside it.
std::vector<MemoryRow> predicted_memory(const Settings& settings);

/// The table, with its sum.
void say_memory(const std::vector<MemoryRow>& rows);

}  // namespace dfascale
