// dfascale study: many runs from one file, side by side.
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/log.hpp"
#include "base/stop_signals.hpp"
#include "study/runner.hpp"
#include "tools/tools.hpp"

namespace dfascale {
namespace {

struct StudyOptions {
  std::string file, task;
  std::vector<std::string> overrides;
  bool dry_run = false, status = false, measure = false;
};

std::optional<std::int64_t> whole(const char* text) {
  if (text == nullptr) return std::nullopt;
  char* end = nullptr;
  const std::int64_t value = std::strtoll(text, &end, 10);
  return end == text || *end != '\0' ? std::nullopt : std::optional(value);
}

/// "I/N", or a Slurm array's variables, or 1 of 1.
Task task_of(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (text.empty()) {
    const auto number = whole(std::getenv("SLURM_ARRAY_TASK_ID")),
               count = whole(std::getenv("SLURM_ARRAY_TASK_COUNT")),
               first = whole(std::getenv("SLURM_ARRAY_TASK_MIN"));
    if (!number || !count) return {};
    return {*number - first.value_or(1) + 1, *count};
  }
  const auto number = whole(text.substr(0, slash).c_str());
  const auto count = slash == text.npos ? std::nullopt : whole(text.substr(slash + 1).c_str());
  if (!number || !count || *number < 1 || *number > *count)
    fail(Exit::usage, "--task {}: expected I/N, the I-th of N tasks from 1 on, for example 2/4",
         text);
  return {*number, *count};
}

/// Trains a few steps of each size and rule, anew.
void measure(const Study& study) {
  const Study few = [&] {
    Study made = measuring_study(study);
    predict(made);
    return made;
  }();
  begin_measuring(few);
  const Exit ended = StudyRunner(few).run();
  if (ended != Exit::done) fail(ended, "{}: the rates could not be measured", few.dir);
}

int study(const StudyOptions& options) {
  if ((options.dry_run && !options.measure) || options.status) give_back_stop_signals();
  Study study = read_study(options.file, options.overrides);
  predict(study);
  const Task task = task_of(options.task);
  if (options.measure) measure(study);
  if (options.dry_run || options.status) {
    const std::string text =
        options.dry_run ? plan_table(study, measured_rates(study)) : status_table(study);
    std::fputs(text.c_str(), stdout);
    return static_cast<int>(Exit::done);
  }
  return static_cast<int>(StudyRunner(study, task).run());
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
  CLI::Option* dry_run = command->add_flag("--dry-run", options->dry_run,
                                           "Print the runs, their FLOP and time, and stop");
  command
      ->add_flag("--measure", options->measure,
                 "With --dry-run: train a few steps of each size and rule first, for the time")
      ->needs(dry_run);
  command->add_flag("--status", options->status, "Print how far each run is, and stop")
      ->excludes(dry_run);
  command->add_option(
      "--task", options->task,
      "I/N: one of N processes that share the study's folder, each with runs of its "
      "own; by default as a Slurm array says");
  command->footer(
      "Examples:\n"
      "  dfascale study inputs/quickstart.toml --dry-run\n"
      "  dfascale study inputs/quickstart.toml --set study.workers=1\n"
      "  sbatch --array=1-4 --wrap 'dfascale study inputs/cpu-small.toml'\n"
      "Stopped by a signal (TERM, INT, HUP, USR1, USR2), the runs write checkpoints and the exit "
      "code "
      "is 75; the same command goes on.");
  command->callback([options, &run] { run = [options] { return study(*options); }; });
}

}  // namespace dfascale
