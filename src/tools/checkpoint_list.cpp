// dfascale checkpoint list and verify: what is in a folder, and whether it can be trusted.
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/checkpoint.hpp"
#include "io/files.hpp"
#include "tools/checkpoint_tools.hpp"
#include "tools/trained_model.hpp"
#include "train/checkpoint_contents.hpp"

namespace dfascale {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// What is known of a file: everything if it is good, else only why it is not.
struct Found {
  std::string path;
  std::int64_t bytes = 0, arrays = 0;
  CheckpointMeta meta;
  std::string trouble;
};

Shapes arrays_of(const CheckpointFile& file) {
  Shapes arrays;
  for (const std::string& path : file.paths()) arrays[path] = file.shape(path);
  return arrays;
}

Found look_once(const std::string& path) {
  Found found{path, 0, 0, {}, ""};
  try {
    const CheckpointFile file(path, contents_of);
    check_arrays(arrays_of(file), Needed::all, contents_of(file.meta(), path, fs::file_size(path)),
                 path);
    found.bytes = static_cast<std::int64_t>(fs::file_size(path));
    found.arrays = static_cast<std::int64_t>(file.paths().size());
    found.meta = file.meta();
  } catch (const std::exception& error) {
    found.trouble = error.what();
  }
  return found;
}

/// Tells a file from another that takes its name meanwhile.
std::pair<std::int64_t, std::int64_t> identity_of(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return {0, 0};
  return {static_cast<std::int64_t>(about.st_ino), about.st_mtim.tv_nsec};
}

/// A run may be going on in the folder: a file that was replaced is looked at again.
Found look_at(const std::string& path) {
  constexpr int most_looks = 10;
  Found found;
  for (int look = 0; look < most_looks; ++look) {
    const auto before = identity_of(path);
    found = look_once(path);
    if (found.trouble.empty() || identity_of(path) == before) break;
  }
  return found;
}

/// All checkpoints that are there; those that a run removes meanwhile are left out.
std::vector<Found> look_into(const std::string& folder) {
  constexpr int most_looks = 100;
  const CheckpointFolder checkpoints(checkpoints_folder_at(folder), 1, 0, WriterRanks::alone());
  std::vector<Found> all;
  std::vector<std::int64_t> steps;
  for (int look = 0; look < most_looks && all.empty(); ++look) {
    steps = checkpoints.steps();
    if (steps.empty()) break;
    for (const std::int64_t step : steps) {
      Found found = look_at(checkpoints.path_of(step));
      if (found.trouble.empty() || exists(found.path)) all.push_back(std::move(found));
    }
  }
  if (steps.empty())
    fail(Exit::checkpoint,
         "{}: no checkpoints here; expected a run folder (runs/NAME) or its checkpoints folder",
         folder);
  return all;
}

bool is_latest(const Found& found) {
  std::error_code ignored;
  return fs::equivalent(fs::path(found.path).parent_path() / "latest", found.path, ignored);
}

std::string loss_text(double loss) {
  return std::isfinite(loss) ? fmt::format("{:.4f}", loss) : "-";
}

void print(const std::vector<Found>& all) {
  log::say("{:<24}{:>10}{:>14}{:>10}{:>10}  {:<14} {}", "file", "step", "tokens", "MB", "val loss",
           "written by", "state");
  for (const Found& found : all) {
    const std::string name = fs::path(found.path).filename().string();
    const CheckpointMeta& meta = found.meta;
    if (!found.trouble.empty()) log::say("{:<24}broken: {}", name, found.trouble);
    else
      log::say("{:<24}{:>10}{:>14}{:>10.1f}{:>10}  {:<14} good{}", name, meta.step, meta.tokens,
               static_cast<double>(found.bytes) / 1e6, loss_text(meta.best_val_loss), meta.layout,
               is_latest(found) ? ", latest" : "");
  }
}

Json json_of(const Found& found) {
  Json json = {{"file", found.path}, {"good", found.trouble.empty()}};
  if (!found.trouble.empty()) {
    json["trouble"] = found.trouble;
    return json;
  }
  const CheckpointMeta& meta = found.meta;
  json.update({{"latest", is_latest(found)},
               {"step", meta.step},
               {"tokens", meta.tokens},
               {"bytes", found.bytes},
               {"arrays", found.arrays},
               {"flops", meta.flops},
               {"seconds", meta.seconds},
               {"layout", meta.layout},
               {"revision", meta.revision}});
  if (std::isfinite(meta.best_val_loss)) json["best_val_loss"] = meta.best_val_loss;
  return json;
}

}  // namespace

void check_arrays(const Shapes& held, Needed needed, const Shapes& expected,
                  const std::string& path) {
  for (const auto& [array, shape] : expected) {
    if (needed == Needed::params && !array.starts_with("/params/")) continue;
    const auto found = held.find(array);
    if (found == held.end() || found->second != shape)
      fail(Exit::checkpoint, "{}: the model of its deck needs {} [{}], which {}", path, array,
           fmt::join(shape, ", "), found == held.end() ? "is missing" : "has another shape");
  }
  for (const auto& [array, shape] : held)
    if (!expected.contains(array))
      fail(Exit::checkpoint, "{}: the model of its deck has no {}", path, array);
}

int list_checkpoints(const std::string& folder, Show show) {
  const std::vector<Found> all = look_into(folder);
  if (show == Show::table) {
    print(all);
  } else {
    Json list = Json::array();
    for (const Found& found : all) list.push_back(json_of(found));
    log::line(json_text(list));
  }
  return static_cast<int>(Exit::done);
}

int verify_checkpoints(const std::string& where) {
  std::error_code ignored;
  const std::vector<Found> all =
      fs::is_directory(where, ignored) ? look_into(where) : std::vector{look_at(where)};
  std::int64_t broken = 0;
  for (const Found& found : all) {
    if (found.trouble.empty())
      log::say("good    {}: step {}, {} arrays, {:.1f} MB", found.path, found.meta.step,
               found.arrays, static_cast<double>(found.bytes) / 1e6);
    else log::say("broken  {}", found.trouble);
    broken += found.trouble.empty() ? 0 : 1;
  }
  log::say("{} of {} good", static_cast<std::int64_t>(all.size()) - broken, all.size());
  return static_cast<int>(broken == 0 ? Exit::done : Exit::checkpoint);
}

}  // namespace dfascale
