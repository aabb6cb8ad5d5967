#include "data/staging.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/error.hpp"

namespace dfascale {
namespace {

namespace fs = std::filesystem;

constexpr const char* staging_name = ".prepare-partial";

bool is_shard(const std::string& name) {
  return (name.starts_with("train_") || name.starts_with("valid_")) && name.ends_with(".bin");
}

/// "train_000000.bin": digits between the split's name and ".bin".
bool is_own_shard(const std::string& name) {
  constexpr std::size_t before = 6, behind = 4;
  return is_shard(name) && name.size() > before + behind &&
         std::all_of(name.begin() + before, name.end() - behind,
                     [](unsigned char c) { return std::isdigit(c); });
}

bool is_prepared_file(const std::string& name) {
  return is_shard(name) || name == "tokenizer.model" || name == "corpus.json";
}

std::vector<fs::path> prepared_files(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code problem;
  for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem))
    if (is_prepared_file(entry->path().filename().string())) files.push_back(entry->path());
  if (problem)
    fail(Exit::data, "cannot read the folder {}: {}; choose another --out", folder,
         problem.message());
  std::sort(files.begin(), files.end());
  return files;
}

/// Only what prepare itself writes is ever removed.
void check_replaceable(const std::string& out, Existing existing) {
  for (const fs::path& file : prepared_files(out)) {
    const std::string name = file.filename().string();
    std::error_code ignored;
    if (existing == Existing::refuse)
      fail(Exit::data,
           "{}: this folder already holds a prepared corpus ({}); give --force to replace it, or "
           "choose another --out",
           out, name);
    if ((is_shard(name) && !is_own_shard(name)) ||
        fs::is_directory(fs::symlink_status(file, ignored)))
      fail(Exit::data,
           "{}: is not of dfascale prepare, but training would read it as part of this folder; "
           "move it away, or choose another --out",
           file.string());
  }
}

/// Removes what prepare writes into its hidden folder, and the folder unless something else is in
/// it.
void remove_staging(const std::string& staging) {
  std::error_code problem;
  if (!fs::is_directory(fs::symlink_status(staging, problem))) return;
  for (fs::directory_iterator entry(staging, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (is_own_shard(name) || (is_prepared_file(name) && !is_shard(name)))
      fs::remove(entry->path(), ignored);
  }
  fs::remove(staging, problem);  // only if empty
}

}  // namespace

bool is_half_published(const std::string& folder) {
  std::error_code ignored;
  return fs::exists(fs::path(folder) / staging_name, ignored) &&
         !fs::exists(fs::path(folder) / "corpus.json", ignored) && !prepared_files(folder).empty();
}

Staging::Staging(const std::string& out, Existing existing)
    : out_(out), staging_(out + "/" + staging_name) {
  std::error_code problem;
  made_out_ = fs::create_directories(out_, problem);
  if (problem)
    fail(Exit::data, "cannot make the folder {}: {}; choose another --out", out_,
         problem.message());
  check_replaceable(out_, existing);
  lock_ = ::open(out_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) fail(Exit::data, "cannot open the folder {}", system_reason(out_));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    fail(Exit::data,
         "{}: another dfascale prepare is writing to this folder; wait for it or choose another "
         "--out",
         out_);
  }
  remove_staging(staging_);  // left by a run that was killed
  problem.clear();
  clean_up_.emplace([this] { remove(); });  // first: a signal may come as soon as it is there
  const bool is_made = fs::create_directory(staging_, problem);
  if (!is_made) {
    ::close(lock_);
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(staging_, ignored)))
      fail(
          Exit::data,
          "{}: expected nothing, or what a killed dfascale prepare left there, but this is none of "
          "its folders or holds other files; move it away, or choose another --out",
          staging_);
    fail(Exit::data, "cannot write to the folder {}: {}; choose another --out", out_,
         problem.message());
  }
}

Staging::~Staging() {
  remove();
  ::close(lock_);
}

/// Other threads may be writing there when the program is asked to stop.
void Staging::remove() {
  constexpr int most_tries = 100;
  const std::lock_guard lock(publishing_);
  std::error_code problem;
  for (int i = 0; i < most_tries && fs::exists(staging_, problem); ++i) remove_staging(staging_);
  if (made_out_) fs::remove(out_, problem);  // only if empty
}

void Staging::publish() {
  const std::lock_guard lock(publishing_);
  try {
    // corpus.json says that a folder is complete: first to go, last to come.
    fs::remove(fs::path(out_) / "corpus.json");
    std::vector<fs::path> old = prepared_files(out_);
    for (const fs::path& file : prepared_files(staging_)) {
      const fs::path place = fs::path(out_) / file.filename();
      std::erase(old, place);
      if (file.filename() != "corpus.json") fs::rename(file, place);
    }
    for (const fs::path& file : old) fs::remove(file);
    fs::rename(fs::path(staging_) / "corpus.json", fs::path(out_) / "corpus.json");
    ::fsync(lock_);
  } catch (const fs::filesystem_error& problem) {
    fail(Exit::data, "{}: cannot move the finished files into place: {}", out_, problem.what());
  }
}

}  // namespace dfascale
