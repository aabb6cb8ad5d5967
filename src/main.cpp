// dfascale: reads the command line, runs the chosen subcommand, ends all ranks with its exit code.
#include <cstdio>

#include "base/error.hpp"
#include "base/last_words.hpp"
#include "base/standard_output.hpp"
#include "base/stop_signals.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "tools/tools.hpp"

namespace {

using namespace dfascale;

constexpr void (*subcommands[])(CLI::App&, Run&) = {
    add_prepare, add_train,  add_study, add_eval,       add_sample, add_inspect,
    add_plan,    add_verify, add_bench, add_checkpoint, add_deck};

constexpr const char* about =
    "How well do credit-assignment rules other than backpropagation scale?\n"
    "Trains Transformers by backpropagation, direct feedback alignment or in the last block only.";

constexpr const char* examples = R"(Examples:
  dfascale prepare --train a.txt --valid b.txt --out data/mine --vocab 2048
                                                       text to token files
  dfascale deck                                        what can be set, and the defaults
  dfascale deck inputs/tiny.toml --set rule.name=dfa   check a deck, print it in full

Exit codes: 0 done, 1 checkpoints differ (checkpoint diff), 2 command line or deck, 3 data, 4 checkpoint, 5 numerical failure,
6 device, MPI or library failure, or output that cannot be written, 75 stopped by a signal with a checkpoint written.)";

/// --help and --version leave with 0, mistakes with 2, said by one rank.
int leave(const CLI::App& app, const CLI::ParseError& reason) {
  const bool is_mistake = reason.get_exit_code() != 0;
  if (own_rank() == 0) app.exit(reason);
  return static_cast<int>(is_mistake ? Exit::usage : Exit::done);
}

/// Runs and studies hear stop signals from here on, so that one which comes while they start
/// counts.
void prepare_signals(const std::string& command) {
  survive_file_limits();
  if (command == "train" || command == "study") hear_stop_signals();
  for (const char* writer : {"train", "study", "prepare", "checkpoint", "bench"})
    if (command == writer) survive_closed_pipes();
}

/// Reads the command line and does what it says.
int run_command(int argc, char** argv) {
  CLI::App app(about, "dfascale");
  app.footer(examples);
  app.set_version_flag("--version", describe_build);
  if (const std::string wrong = wrong_argument(argc, argv); !wrong.empty())
    return leave(app, CLI::ValidationError(wrong));
  Run run;
  for (const auto add : subcommands) add(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& reason) {
    return leave(app, reason);
  }
  if (!run) return leave(app, CLI::RequiredError("A subcommand"));
  return run();
}

/// Before other objects are made: libraries begin their work while these are.
__attribute__((constructor(101))) void begin() { tell_unforeseen_ends(); }

}  // namespace

/// For libraries: Open MPI 4.1 calls it where MPI cannot start.
extern "C" [[noreturn]] void _exit(int exit_code) { end_by_library(exit_code); }

int main(int argc, char** argv) {
  open_standard_streams();
  prepare_signals(argc > 1 ? argv[1] : "");
  const int exit_code = run_guarded([&] { return run_command(argc, argv); });
  end_is_foreseen();
  return end_output(exit_code, static_cast<int>(Exit::device));
}
