// dfascale study: many runs from one file, side by side.
#include <cstdio>
#include <memory>

#include "study/runner.hpp"
#include "tools/tools.hpp"

namespace dfascale {
namespace {

struct StudyOptions {
  std::string file;
  std::vector<std::string> overrides;
  bool dry_run = false, status = false;
};

int study(const StudyOptions& options) {
  Study study = read_study(options.file, options.overrides);
  predict(study);
  if (options.dry_run || options.status) {
    const std::string text = options.dry_run ? plan_table(study) : status_table(study);
    std::fputs(text.c_str(), stdout);
    return static_cast<int>(Exit::done);
  }
  return static_cast<int>(StudyRunner(study).run());
}

}  // namespace

void add_study(CLI::App& app, Run& run) {
  const auto options = std::make_shared<StudyOptions>();
  CLI::App* command = app.add_subcommand(
      "study",
      "Train many runs, sizes x rules x lists of values, side by side; goes on where it "
      "stopped");
  command->add_option("STUDY", options->file, "The study (docs/studies.md)")->required();
  command
      ->add_option("--set", options->overrides,
                   "study.key=value, or section.key=value for all runs; wins over the file; "
                   "repeatable")
      ->allow_extra_args(false);
  CLI::Option* dry_run =
      command->add_flag("--dry-run", options->dry_run, "Print the runs and their FLOP, and stop");
  command->add_flag("--status", options->status, "Print how far each run is, and stop")
      ->excludes(dry_run);
  command->footer(
      "Examples:\n"
      "  dfascale study inputs/quickstart.toml --dry-run\n"
      "  dfascale study inputs/quickstart.toml --set study.workers=1\n"
      "Stopped by SIGTERM or SIGINT, the runs write checkpoints and the exit code is 75; the same "
      "command goes on.");
  command->callback([options, &run] { run = [options] { return study(*options); }; });
}

}  // namespace dfascale
