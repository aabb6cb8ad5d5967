#include "study/run_state.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "deck/deck.hpp"
#include "io/files.hpp"
#include "io/run_tables.hpp"
#include "study/claim.hpp"

namespace dfascale {
namespace {

/// The outcome and validation loss of run.json, as far as it has them.
struct Record {
  bool is_there = false, is_done = false;
  std::optional<double> val_loss;
};

Record read_record(const std::string& path) {
  Record record{exists(path), false, {}};
  nlohmann::ordered_json json;
  if (!record.is_there ||
      !parse_json_or_say_why(read_small_file(path, Exit::checkpoint), json).empty())
    return record;
  const auto outcome = nlohmann::ordered_json::json_pointer("/outcome"),
             loss = nlohmann::ordered_json::json_pointer("/results/val_loss");
  record.is_done = json.contains(outcome) && json[outcome] == "done";
  if (json.contains(loss) && json[loss].is_number()) record.val_loss = json[loss].get<double>();
  return record;
}

std::string mark_of_divergence(const StudyRun& run) { return run.folder() + "/diverged.txt"; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// Keys that make a run what it is; where it lies, how it restarts and how often it saves do not.
bool matters(const std::string& difference) {
  constexpr std::array<std::string_view, 5> prefixes = {"model.", "rule.", "data.", "optim.",
                                                        "run.seed"};
  return std::ranges::any_of(prefixes,
                             [&](std::string_view p) { return difference.starts_with(p); });
}

}  // namespace

std::string_view word(Progress progress) {
  switch (progress) {
    case Progress::waiting: return "waiting";
    case Progress::running: return "running";
    case Progress::unfinished: return "unfinished";
    case Progress::done: return "done";
    case Progress::diverged: return "diverged";
  }
  return "";
}

RunState state_of(const StudyRun& run) {
  RunState state;
  const std::string folder = run.folder();
  if (const auto last = last_row_of(folder + "/metrics.csv")) {
    state.step = last->step;
    state.flops = last->flops;
    state.seconds = last->seconds;
  }
  if (exists(mark_of_divergence(run))) {
    state.progress = Progress::diverged;
    state.note = first_line(read_small_file(mark_of_divergence(run), Exit::checkpoint));
    return state;
  }
  const Record record = read_record(folder + "/run.json");
  if (record.is_done) {
    const auto reason = divergence(run);
    state.progress = reason ? Progress::diverged : Progress::done;
    state.note = reason.value_or("");
    state.val_loss = record.val_loss;
  } else if (const auto who = holder(claim_path(run))) {
    state.progress = Progress::running;
    state.note = *who;
  } else if (record.is_there) {
    state.progress = Progress::unfinished;
  }
  return state;
}

std::optional<std::string> divergence(const StudyRun& run) {
  constexpr double twentieth = 1.05;
  std::optional<double> untrained;
  for (const MetricsRow& row : read_metrics(run.folder() + "/metrics.csv")) {
    if (!row.val_loss) continue;
    if (!untrained) untrained = row.val_loss;
    const bool is_early =
        static_cast<double>(row.step) < 0.1 * static_cast<double>(run.settings.steps());
    if (is_early || *row.val_loss <= twentieth * *untrained) continue;
    return fmt::format("validation loss {:.4f} at step {}, {:.4f} before training", *row.val_loss,
                       row.step, *untrained);
  }
  return std::nullopt;
}

void mark_diverged(const StudyRun& run, const std::string& reason) {
  write_atomically(mark_of_divergence(run), reason + "\n");
}

std::string claim_path(const StudyRun& run) {
  return run.settings.run.dir + "/.claims/" + run.settings.run.name;
}

void check_same_settings(const std::vector<const StudyRun*>& runs) {
  std::vector<std::string> problems;
  for (const StudyRun* run : runs) {
    const std::string deck = run->folder() + "/deck.toml";
    if (!exists(deck)) continue;
    std::vector<std::string> found = differences(read_deck(deck, {}), run->settings);
    std::erase_if(found, [](const std::string& difference) { return !matters(difference); });
    if (!found.empty())
      problems.push_back(fmt::format("{}: {}", run->folder(), fmt::join(found, "; ")));
  }
  if (problems.empty()) return;
  fail(
      Exit::checkpoint,
      "the study's folder holds runs with other settings than the study has now:\n{}\nRemove these "
      "folders to run them again, or choose another study.dir",
      fmt::join(problems, "\n"));
}

}  // namespace dfascale
