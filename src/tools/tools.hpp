// Subcommands: each adds itself to the command line and, when chosen, says what is to run.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "deck/settings.hpp"

namespace dfascale {

/// Upper end of counts on the command line: CLI11 says the range when it refuses a value.
constexpr std::int64_t most_counted = 1'000'000'000;

/// The chosen subcommand: returns the exit code, throws Error.
using Run = std::function<int()>;

void add_bench(CLI::App& app, Run& run);
void add_deck(CLI::App& app, Run& run);
void add_eval(CLI::App& app, Run& run);
void add_inspect(CLI::App& app, Run& run);
void add_plan(CLI::App& app, Run& run);
void add_prepare(CLI::App& app, Run& run);
void add_sample(CLI::App& app, Run& run);
void add_study(CLI::App& app, Run& run);
void add_train(CLI::App& app, Run& run);
void add_verify(CLI::App& app, Run& run);

/// The deck as every rank sees it: rank 0 reads the file, all parse the same text, and the layout
/// is that of the ranks which are running.
Settings read_deck_on_all(const Comm& comm, const std::string& file,
                          const std::vector<std::string>& overrides);

/// What the build is made of, a line each, for --version.
std::string describe_build();

}  // namespace dfascale
