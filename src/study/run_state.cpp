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

namespace dfascale {
namespace {

std::string folder_of(const StudyRun& run) {
  return run.settings.run.dir + "/" + run.settings.run.name;
}

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

/// step and flops of the last row (SPEC section 7: columns 0 and 6).
void read_position(RunState& state, const std::string& path) {
  constexpr int flops_column = 6;
  const std::string row = last_line(path);
  std::size_t start = 0;
  std::from_chars(row.data(), row.data() + row.size(), state.step);
  for (int column = 0; column < flops_column && start < row.size(); ++column)
    start = std::min(row.size(), row.find(',', start)) + 1;
  if (start < row.size()) std::from_chars(row.data() + start, row.data() + row.size(), state.flops);
}

bool is_held(const std::string& folder) {
  try {
    const FolderLock probe(folder);
    return false;
  } catch (const Error&) {
    return true;
  }
}

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
  }
  return "";
}

RunState state_of(const StudyRun& run) {
  RunState state;
  const std::string folder = folder_of(run);
  if (!exists(folder + "/run.json")) return state;
  const auto record = nlohmann::json::parse(read_text(folder + "/run.json"), nullptr, false);
  read_position(state, folder + "/metrics.csv");
  if (record.is_object() && record.value("outcome", "") == "done") {
    state.progress = Progress::done;
    state.flops = run.flops;
    if (record.contains("results") && record["results"].contains("val_loss"))
      state.val_loss = record["results"]["val_loss"].get<double>();
  } else {
    state.progress = is_held(folder) ? Progress::running : Progress::unfinished;
  }
  return state;
}

void check_same_settings(const Study& study) {
  std::vector<std::string> problems;
  for (const StudyRun& run : study.runs) {
    const std::string deck = folder_of(run) + "/deck.toml";
    if (!exists(deck)) continue;
    std::vector<std::string> found = differences(read_deck(deck, {}), run.settings);
    std::erase_if(found, [](const std::string& difference) { return !matters(difference); });
    if (!found.empty())
      problems.push_back(fmt::format("{}: {}", folder_of(run), fmt::join(found, "; ")));
  }
  if (problems.empty()) return;
  fail(
      Exit::checkpoint,
      "the study's folder holds runs with other settings than the study has now:\n{}\nRemove these "
      "folders to run them again, or choose another study.dir",
      fmt::join(problems, "\n"));
}

}  // namespace dfascale
