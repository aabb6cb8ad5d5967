#include "study/run_state.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "deck/deck.hpp"
#include "io/files.hpp"
#include "study/claim.hpp"

namespace dfascale {
namespace {

/// The last whole line of a file that another process may be writing; few lines are long.
std::string last_line(const std::string& path) {
  constexpr std::streamoff enough = 4096;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const std::streamoff size = file.tellg(), start = std::max<std::streamoff>(0, size - enough);
  std::string tail(static_cast<std::size_t>(size - start), '\0');
  file.seekg(start);
  file.read(tail.data(), size - start);
  const std::size_t end = tail.rfind('\n');
  if (end == std::string::npos || end == 0) return "";
  const std::size_t before = tail.rfind('\n', end - 1);
  return before == std::string::npos ? "" : tail.substr(before + 1, end - before - 1);
}

/// The number in a column of a row; nothing where it is blank or missing.
std::optional<double> field(std::string_view row, int column) {
  for (; column > 0; --column) {
    const std::size_t comma = row.find(',');
    if (comma == row.npos) return std::nullopt;
    row.remove_prefix(comma + 1);
  }
  row = row.substr(0, row.find(','));
  double value = 0;
  if (std::from_chars(row.data(), row.data() + row.size(), value).ec != std::errc{})
    return std::nullopt;
  return value;
}

/// Columns of metrics.csv (SPEC section 7).
enum Column { step_column = 0, val_loss_column = 3, flops_column = 6, seconds_column = 7 };

void read_position(RunState& state, const std::string& path) {
  const std::string row = last_line(path);
  state.step = static_cast<std::int64_t>(field(row, step_column).value_or(0));
  state.flops = field(row, flops_column).value_or(0);
  state.seconds = field(row, seconds_column).value_or(0);
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
  read_position(state, folder + "/metrics.csv");
  if (exists(mark_of_divergence(run))) {
    state.progress = Progress::diverged;
    state.note = first_line(read_text(mark_of_divergence(run)));
    return state;
  }
  const bool has_record = exists(folder + "/run.json");
  const auto record =
      nlohmann::json::parse(has_record ? read_text(folder + "/run.json") : "", nullptr, false);
  if (record.is_object() && record.value("outcome", "") == "done") {
    const auto reason = divergence(run);
    state.progress = reason ? Progress::diverged : Progress::done;
    state.note = reason.value_or("");
    if (record.contains("results") && record["results"].contains("val_loss"))
      state.val_loss = record["results"]["val_loss"].get<double>();
  } else if (const auto who = holder(claim_path(run))) {
    state.progress = Progress::running;
    state.note = *who;
  } else if (has_record) {
    state.progress = Progress::unfinished;
  }
  return state;
}

std::optional<std::string> divergence(const StudyRun& run) {
  constexpr double twentieth = 1.05;
  std::ifstream file(run.folder() + "/metrics.csv");
  std::string row;
  std::getline(file, row);  // the header
  std::optional<double> untrained;
  while (std::getline(file, row) && !file.eof()) {  // a last row without its end is no row
    const auto step = field(row, step_column), loss = field(row, val_loss_column);
    if (!step || !loss) continue;
    if (!untrained) untrained = loss;
    const bool is_early = *step < 0.1 * static_cast<double>(run.settings.steps());
    if (is_early || *loss <= twentieth * *untrained) continue;
    return fmt::format("validation loss {:.4f} at step {}, {:.4f} before training", *loss, *step,
                       *untrained);
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
