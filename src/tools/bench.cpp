// dfascale bench: one subcommand for each thing whose speed is measured.
#include "tools/bench.hpp"

#include "tools/tools.hpp"

namespace dfascale {

void add_bench(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("bench", "Measure speed");
  command->require_subcommand(1);
  for (const auto add : {add_comm, add_gemm, add_io, add_kernels, add_schedule, add_step})
    add(*command, run);
}

}  // namespace dfascale
