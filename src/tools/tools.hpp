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
/// Seeds, as the deck's run.seed.
constexpr std::int64_t largest_seed = 1'000'000'000'000'000'000;

/// CLI::Range for real numbers, which would let nan pass.
inline CLI::Validator between(double least, double most) {
  const CLI::Range range(least, most);
  return {[range](std::string& text) {
            const bool is_nan = text.find_first_of("nN") != std::string::npos;
            return is_nan ? "Value " + text + " is not a number" : range(text);
          },
          range.get_description()};
}

/// The chosen subcommand: returns the exit code, throws Error.
using Run = std::function<int()>;

void add_bench(CLI::App& app, Run& run);
void add_checkpoint(CLI::App& app, Run& run);
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

/// For choices on the command line.
std::vector<std::string> schedule_names();

/// What the build is made of, a line each, for --version.
std::string describe_build();

}  // namespace dfascale
