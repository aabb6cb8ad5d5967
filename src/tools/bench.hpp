// The subcommands of `dfascale bench`.
#pragma once

#include "tools/tools.hpp"

namespace dfascale {

/// Sums, copies and messages between the ranks, by size.
void add_comm(CLI::App& bench, Run& run);
/// Every matrix product of a deck's step, in the step and by itself.
void add_gemm(CLI::App& bench, Run& run);
/// Checkpoints of a deck's size, beside a plain file of as many bytes.
void add_io(CLI::App& bench, Run& run);
/// Every kernel at a deck's sizes, beside a copy of as many bytes.
void add_kernels(CLI::App& bench, Run& run);
/// The engine and its messages, computing replaced by waiting (schedule_bench.hpp).
void add_schedule(CLI::App& bench, Run& run);
/// Training steps on made-up tokens (step_bench.hpp).
void add_step(CLI::App& bench, Run& run);

}  // namespace dfascale
