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

/// The step in a name that begins with "step_NUMBER.h5"; what follows goes to `rest`.
std::optional<std::int64_t> step_and_rest(std::string_view name, std::string_view& rest) {
  if (!name.starts_with(prefix)) return std::nullopt;
  std::int64_t step = 0;
  const char* const end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + prefix.size(), end, step);
  rest = {result.ptr, end};
  if (result.ec != std::errc{} || !rest.starts_with(suffix)) return std::nullopt;
  rest.remove_prefix(suffix.size());
  return step;
}

std::optional<std::int64_t> step_of(const std::string& name) {
  std::string_view rest;
  const auto step = step_and_rest(name, rest);
  return rest.empty() ? step : std::nullopt;
}

std::string file_name(std::int64_t step) { return fmt::format("{}{:08}{}", prefix, step, suffix); }

/// What a killed save leaves, by its name: half a file, or a digest whose file never came.
bool is_leftover(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (name == "latest.tmp") return true;
  std::string_view rest;
  if (!step_and_rest(name, rest)) return false;
  constexpr std::string_view staged = ".digest.new";
  if (rest != staged) return rest.ends_with(".tmp");
  const std::string whole = path.string();
  return !exists(whole.substr(0, whole.size() - staged.size()));
}

void remove_leftovers(const std::string& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (is_leftover(entry.path())) remove_file(entry.path().string());
}

/// For people: restarting needs no such link, so what is wrong with it is only said.
void point_latest(const std::string& folder, const std::string& name) {
  const std::string link = folder + "/latest", temporary = link + ".tmp";
  try {
    const auto there = std::filesystem::symlink_status(link);
    if (std::filesystem::exists(there) && !std::filesystem::is_symlink(there))
      fail(exit_code, "{}: not a link of this program's, and stays as it is", link);
    remove_file(temporary);
    if (::symlink(name.c_str(), temporary.c_str()) != 0)
      fail(exit_code, "{}: cannot be made", system_reason(link));
    rename_over(temporary, link);
  } catch (const std::exception& error) {
    ::unlink(temporary.c_str());
    log::warn("{} does not point to {}: {}", link, name, error.what());
    return;
  }
  flush_to_disk(folder);
}

/// Removes the link, if it is one.
void remove_latest(const std::string& folder) {
  std::error_code ignored;
  const std::string link = folder + "/latest";
  if (std::filesystem::is_symlink(link, ignored)) remove_file(link);
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

void remove_checkpoints(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    std::string_view rest;
    const std::string name = entry.path().filename().string();
    if (step_and_rest(name, rest)) remove_file(entry.path().string());
  }
  remove_latest(folder);
  remove_folder_if_empty(folder);
}

std::optional<std::string> CheckpointFolder::newest_good() const {
  constexpr int most_looks = 100;  // at a live run's folder, where files come and go
  std::size_t damaged = 0, present = 0;
  for (int look = 0; look < most_looks; ++look) {
    const auto steps = agreed_steps();
    damaged = 0, present = steps.size();
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      const Finding finding = examine(path_of(*step), ranks_);
      if (finding.condition == Condition::good) return path_of(*step);
      if (finding.condition == Condition::unreadable) fail_unreadable(finding.reason);
      if (finding.condition == Condition::gone) continue;
      damaged += 1;
      log::warn("broken checkpoint left aside: {}", finding.reason);
    }
    if (damaged == present) break;  // else some went while others were looked at
  }
  if (present == 0) return std::nullopt;
  fail(exit_code,
       "{}: {} checkpoints, and none of them is good: nothing was changed; bring back good copies "
       "with their digests, or begin anew under another run.name or with this folder moved away",
       folder_, present);
}

// A damaged checkpoint stays damaged, and the one before is the best there is.  This one may be
// good: to go back behind it would throw work away.
void CheckpointFolder::fail_unreadable(const std::string& reason) const {
  fail(exit_code,
       "{}; this does not say that the checkpoint is damaged, so nothing was changed: make it and "
       "its digest readable again, or, to go on without it, move it out of {}",
       reason, folder_);
}

void CheckpointFolder::abandon_after(std::int64_t step) const {
  on_first(ranks_, exit_code, [&] {
    const std::vector<std::int64_t> present = steps();
    const auto first_later = std::ranges::upper_bound(present, step);
    if (first_later == present.end()) return;
    for (const std::int64_t later : std::span(first_later, present.end())) {
      const std::string path = path_of(later), aside = free_name(path + ".abandoned");
      rename_over(path, aside);
      move_digest(path, aside);
      log::warn("{} belongs to an abandoned future: renamed to {}", path, aside);
    }
    if (first_later == present.begin()) remove_latest(folder_);
    else point_latest(folder_, file_name(*(first_later - 1)));
  });
}

}  // namespace dfascale
