// CheckpointFolder: how a checkpoint comes into being, is found again and goes.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <span>

#include "base/log.hpp"
#include "io/checkpoint.hpp"
#include "io/checkpoint_arrays.hpp"
#include "io/checkpoint_write.hpp"
#include "io/digest.hpp"
#include "io/files.hpp"

namespace dfascale {

namespace {

constexpr Exit exit_code = Exit::checkpoint;
constexpr std::string_view prefix = "step_", suffix = ".h5";
constexpr double mebibyte = 1 << 20;

std::optional<std::int64_t> step_of(const std::string& name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  const char* end = name.data() + name.size() - suffix.size();
  std::int64_t step = 0;
  const auto result = std::from_chars(name.data() + prefix.size(), end, step);
  return result.ec == std::errc{} && result.ptr == end ? std::optional(step) : std::nullopt;
}

std::string file_name(std::int64_t step) { return fmt::format("{}{:08}{}", prefix, step, suffix); }

bool is_digest_without_checkpoint(const std::string& path) {
  for (const std::string_view ending : {".digest", ".digest.new"})
    if (path.ends_with(ending)) return !exists(path.substr(0, path.size() - ending.size()));
  return false;
}

// What a killed save can leave.
void remove_leftovers(const std::string& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (path.ends_with(".tmp") || is_digest_without_checkpoint(path)) remove_file(path);
  }
}

void point_latest(const std::string& folder, const std::string& name) {
  const std::string link = folder + "/latest", temporary = link + ".tmp";
  remove_file(temporary);
  if (::symlink(name.c_str(), temporary.c_str()) != 0) {
    // Some file systems have no links; restarting does not need this one.
    log::warn("{}: cannot be made", system_reason(link));
    return;
  }
  rename_over(temporary, link);
  flush_to_disk(folder);
}

}  // namespace

CheckpointFolder::CheckpointFolder(std::string folder, std::int64_t keep,
                                   std::int64_t keep_every_steps, WriterRanks ranks,
                                   int compression)
    : folder_(std::move(folder)),
      keep_(std::max<std::int64_t>(keep, 1)),
      keep_every_steps_(keep_every_steps),
      compression_(compression),
      ranks_(std::move(ranks)) {}

std::string CheckpointFolder::path_of(std::int64_t step) const {
  return folder_ + "/" + file_name(step);
}

std::vector<std::int64_t> CheckpointFolder::steps() const {
  std::vector<std::int64_t> found;
  if (!exists(folder_)) return found;
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    if (const auto step = step_of(entry.path().filename().string())) found.push_back(*step);
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::int64_t> CheckpointFolder::agreed_steps() const {
  std::string list;
  on_first(ranks_, exit_code, [&] {
    for (const std::int64_t step : steps()) list += fmt::format("{} ", step);
  });
  list = ranks_.from_first(list);
  std::vector<std::int64_t> found;
  for (std::size_t at = 0; at < list.size(); at = list.find(' ', at) + 1)
    found.push_back(std::stoll(list.substr(at)));
  return found;
}

std::int64_t CheckpointFolder::file_bytes(const std::vector<ArraySlice>& arrays) {
  constexpr std::int64_t fixed = 128 << 10,
                         each = 8 << 10;  // deck and groups; header and alignment
  std::int64_t bytes = fixed;
  for (const ArraySlice& array : arrays)
    bytes += each +
             array.shape.at(0) * row_length(array.shape) * static_cast<std::int64_t>(sizeof(float));
  return bytes;
}

void CheckpointFolder::check_writable(std::int64_t checkpoint_bytes) const {
  on_first(ranks_, exit_code, [&] {
    make_folder(folder_);
    check_folder_writable(folder_);
    remove_leftovers(folder_);
    // The newest stays until the next is complete: two at least, keep + 1 in the end.
    const auto present = static_cast<std::int64_t>(steps().size());
    const std::int64_t room = free_bytes(folder_);
    const std::int64_t least = std::max<std::int64_t>(2 - present, 1) * checkpoint_bytes;
    const std::int64_t most = std::max<std::int64_t>(keep_ + 1 - present, 1) * checkpoint_bytes;
    if (room < least)
      fail(exit_code,
           "{}: {:.0f} MiB free, checkpoints need {:.0f} MiB: free some space or set run.dir to "
           "another disk",
           folder_, room / mebibyte, least / mebibyte);
    if (room < most)
      log::warn("{}: {:.0f} MiB free, run.keep = {} needs {:.0f} MiB", folder_, room / mebibyte,
                keep_, most / mebibyte);
  });
}

std::string CheckpointFolder::save(const CheckpointMeta& meta,
                                   const std::vector<ArraySlice>& arrays) {
  const std::string path = path_of(meta.step);
  times_ = write_checkpoint(path, meta, arrays, compression_, ranks_);
  on_first(ranks_, exit_code, [&] {
    point_latest(folder_, file_name(meta.step));
    prune(meta.step);
  });
  return path;
}

// What cannot be removed costs space, not the run.
void CheckpointFolder::prune(std::int64_t newest) const {
  std::vector<std::int64_t> present = steps();
  std::erase_if(present, [&](std::int64_t step) { return step > newest; });
  const auto count = static_cast<std::int64_t>(present.size());
  for (std::int64_t i = 0; i < count - keep_; ++i) {
    if (keep_every_steps_ > 0 && present[i] % keep_every_steps_ == 0) continue;
    try {
      remove_file(path_of(present[i]));
      remove_digest(path_of(present[i]));
    } catch (const Error& error) {
      log::warn("{}", error.what());
    }
  }
}

std::optional<std::string> CheckpointFolder::newest_good() const {
  const auto present = agreed_steps();
  for (auto step = present.rbegin(); step != present.rend(); ++step) {
    const auto damage = damage_of(path_of(*step), ranks_);
    if (!damage) return path_of(*step);
    log::warn("broken checkpoint left aside: {}", *damage);
  }
  return std::nullopt;
}

void CheckpointFolder::abandon_after(std::int64_t step) const {
  on_first(ranks_, exit_code, [&] {
    const std::vector<std::int64_t> present = steps();
    const auto first_later = std::ranges::upper_bound(present, step);
    if (first_later == present.end()) return;
    for (const std::int64_t later : std::span(first_later, present.end())) {
      const std::string path = path_of(later);
      rename_over(path, path + ".abandoned");
      move_digest(path, path + ".abandoned");
      log::warn("{} belongs to an abandoned future: renamed to *.abandoned", path);
    }
    if (first_later == present.begin()) remove_file(folder_ + "/latest");
    else point_latest(folder_, file_name(*(first_later - 1)));
  });
}

}  // namespace dfascale
