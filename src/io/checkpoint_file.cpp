// CheckpointFile: nothing is used before the whole file has been checked.
#include <algorithm>
#include <filesystem>

#include "io/checkpoint.hpp"
#include "io/checkpoint_arrays.hpp"
#include "io/checkpoint_meta.hpp"
#include "io/digest.hpp"
#include "io/files.hpp"

namespace dfascale {

namespace {

constexpr Exit exit_code = Exit::checkpoint;

// `latest` is a link; the digest lies beside what it points to.
std::string resolved(const std::string& path) {
  std::error_code reason;
  const auto real = std::filesystem::canonical(path, reason);
  if (reason) fail(exit_code, "{}: no such checkpoint ({})", path, reason.message());
  if (std::filesystem::is_directory(real))
    fail(exit_code, "{}: a folder; name a checkpoint in it, such as {}/latest", path, path);
  return real.string();
}

Hdf5File open_checked(const std::string& path, const WriterRanks& ranks) {
  std::string real;
  together(ranks, exit_code, [&] { real = resolved(path); });
  if (const auto damage = damage_of(real, ranks)) fail(exit_code, "{}", *damage);
  std::optional<Hdf5File> file;
  together(ranks, exit_code, [&] { file.emplace(Hdf5File::open(real, exit_code)); });
  return std::move(*file);
}

void collect(const Hdf5File& file, const std::string& at, std::vector<std::string>& paths) {
  if (!file.is_group(at)) {
    paths.push_back(at);
    return;
  }
  for (const std::string& name : file.children(at)) collect(file, at + "/" + name, paths);
}

std::vector<std::string> arrays_in(const Hdf5File& file) {
  std::vector<std::string> paths;
  for (const std::string& name : file.children("/"))
    if (name != "meta") collect(file, "/" + name, paths);
  std::sort(paths.begin(), paths.end());
  return paths;
}

void check_array(const Hdf5File& file, const std::string& at) {
  const auto rank = file.shape(at).size();
  if (rank != 1 && rank != 2)
    fail(exit_code, "{}: {} has {} dimensions, not one or two", file.path(), at, rank);
  if (checksum_in(file, at) != file.word_attribute(at, "crc32"))
    fail(exit_code, "{}: {} does not match its checksum", file.path(), at);
}

}  // namespace

CheckpointFile::CheckpointFile(const std::string& path, const WriterRanks& ranks)
    : file_(open_checked(path, ranks)) {
  together(ranks, exit_code, [&] {
    meta_ = read_meta(file_);
    paths_ = arrays_in(file_);
    for (std::size_t i = ranks.rank(); i < paths_.size(); i += ranks.size())
      check_array(file_, paths_[i]);
  });
}

bool CheckpointFile::has(const std::string& path) const {
  return std::binary_search(paths_.begin(), paths_.end(), path);
}

std::vector<std::int64_t> CheckpointFile::shape(const std::string& path) const {
  return file_.shape(path);
}

void CheckpointFile::read(const std::string& path, std::int64_t first_row, std::int64_t rows,
                          float* to) const {
  file_.read_rows(path, {first_row, rows}, to);
}

}  // namespace dfascale
