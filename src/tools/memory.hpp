// What a run will take of a rank's memory, by what it is for.
#pragma once

#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "deck/settings.hpp"
#include "train/layout.hpp"
#include "train/learner.hpp"

namespace dfascale {

struct MemoryForecast {
  Training training;  ///< with what is computed again for run.memory to suffice
  /// Of the rank of a pipeline that takes most: its stages, the alignment probe's, and what the
  /// program itself holds now, on the rank where that is most.
  std::vector<MemoryRow> rows;
};

/// Throws Error(Exit::usage) where run.memory does not suffice.  Collective: all ranks find the
/// same.
MemoryForecast forecast_memory(const Comm& comm, const Settings& settings);

/// "scratch: 0.57 GB/s written, 0.89 read by each rank": the store that blocks may send to; empty:
/// there is none.
std::string store_text(const MemoryForecast& forecast);
/// The table, with its sum, and what is computed again.
void say_memory(const MemoryForecast& forecast);

}  // namespace dfascale
