// What a rank's memory is for, and which blocks compute arrays again, or send them elsewhere, so
// that it stays within run.memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/layout.hpp"
#include "train/learner.hpp"

namespace dfascale {

std::int64_t bytes_of(const std::vector<MemoryRow>& rows);
/// A line for each row, and their sum.
std::vector<std::string> memory_table(const std::vector<MemoryRow>& rows);

/// What takes memory of a rank.
struct MemoryUse {
  enum class Probe { none, alignment } probe = Probe::none;  ///< run.alignment_steps
  std::vector<MemoryRow> beside;  ///< what is not planned: program, workspace of products
};

/// Of a rank at a place in the pipeline.  Takes no memory.
std::vector<MemoryRow> memory_of_place(const Training& training, int place, const MemoryUse& use);

/// What is computed again, or sent where training.elsewhere knows its speed, for every rank's
/// memory to be at most `budget` bytes (0: no limit), at the least cost (model/recompute.hpp);
/// nothing if everything may be kept.  An alignment probe, which is rare, computes everything again
/// before blocks compute anything again.  A function of its arguments, equal on all ranks.  Throws
/// Error(Exit::usage) with the table of the rank that takes most where even the least does not
/// suffice.
Recomputation fit_to_memory(const Training& training, const MemoryUse& use, std::int64_t budget);

/// What all stages compute again of a token.
RecomputeCost cost_again(const Training& training);
/// "elementwise on 3 of 7 blocks, fc1 on 4: 5.1 % more FLOP in a step", of each stage where there
/// are several; empty if everything is kept.
std::string recomputation_text(const Training& training);

}  // namespace dfascale
