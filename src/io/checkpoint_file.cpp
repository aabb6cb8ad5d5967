// CheckpointFile: nothing is used before the whole file has been checked.
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

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

// Names of what a group holds besides arrays: the groups inside it.
std::set<std::string> members_of(const std::string& group, const Shapes& expected) {
  std::set<std::string> members;
  if (group == "/") members.insert("meta");
  const std::string prefix = group == "/" ? group : group + "/";
  for (const auto& [path, shape] : expected)
    if (path.starts_with(prefix))
      members.insert(path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size()));
  return members;
}

// The groups on the way to an array, "/" first.
std::set<std::string> groups_of(const Shapes& expected) {
  std::set<std::string> groups = {"/"};
  for (const auto& [path, shape] : expected)
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1))
      groups.insert(path.substr(0, slash));
  return groups;
}

// Nothing that is not expected; only names are listed, and no more than are expected and one.
void check_names(const Hdf5File& file, const Shapes& expected) {
  for (const std::string& group : groups_of(expected)) {
    if (!file.has(group)) continue;
    const std::set<std::string> members = members_of(group, expected);
    const auto most = static_cast<std::int64_t>(members.size()) + 1;
    for (const std::string& name : file.children(group, most))
      if (!members.contains(name))
        fail(exit_code, "{}: the model of its deck has no {}{}{}", file.path(), group,
             group == "/" ? "" : "/", name);
  }
}

void check_array(const Hdf5File& file, const std::string& at,
                 const std::vector<std::int64_t>& expected) {
  const Hdf5Storage& found = file.storage(at);
  if (found.shape != expected)
    fail(exit_code, "{}: {} is [{}], the model of its deck needs [{}]", file.path(), at,
         fmt::join(found.shape, ", "), fmt::join(expected, ", "));
  if (found.kind != Hdf5Kind::real || found.element_bytes != sizeof(float))
    fail(exit_code, "{}: {} does not hold 32-bit floats", file.path(), at);
  if (checksum_in(file, at) != file.word_attribute(at, "crc32"))
    fail(exit_code, "{}: {} does not match its checksum", file.path(), at);
}

}  // namespace

CheckpointFile::CheckpointFile(const std::string& path, const Contents& contents,
                               const WriterRanks& ranks)
    : file_(open_checked(path, ranks)) {
  together(ranks, exit_code, [&] {
    meta_ = read_meta(file_);
    const Shapes expected = contents(meta_, file_.path(), file_.bytes());
    check_names(file_, expected);
    for (const auto& [at, shape] : expected)
      if (file_.has(at)) paths_.push_back(at);
    for (std::size_t i = ranks.rank(); i < paths_.size(); i += ranks.size())
      check_array(file_, paths_[i], expected.at(paths_[i]));
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
