#include "io/files.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/log.hpp"
#include "base/read_file.hpp"

namespace dfascale {

namespace {

[[noreturn]] void cannot(const char* doing, const std::string& path) {
  fail(Exit::checkpoint, "cannot {} {}", doing, system_reason(path));
}

}  // namespace

void make_folder(const std::string& path) {
  std::error_code reason;
  std::filesystem::create_directories(path, reason);
  if (reason) fail(Exit::checkpoint, "cannot make the folder {}: {}", path, reason.message());
}

std::string read_text(const std::string& path) {
  constexpr std::int64_t most = std::int64_t{4} << 30;  // tables of the longest runs
  return read_small_file(path, Exit::checkpoint, most);
}

std::string read_end(const std::string& path) {
  constexpr off_t enough = 4096;
  const FileDescriptor file = open_regular_file(path, Exit::checkpoint);
  const off_t length = ::lseek(file.number(), 0, SEEK_END),
              first = std::max<off_t>(0, length - enough);
  std::string text(static_cast<std::size_t>(length - first), '\0');
  const ssize_t got = ::pread(file.number(), text.data(), text.size(), first);
  if (got < 0) cannot("read", path);
  text.resize(static_cast<std::size_t>(got));
  return first == 0 ? text : text.substr(std::min(text.size(), text.find('\n')));
}

std::string free_name(const std::string& path) {
  std::string name = path;
  for (int i = 2; std::filesystem::exists(std::filesystem::symlink_status(name)); ++i)
    name = fmt::format("{}.{}", path, i);
  return name;
}

bool exists(const std::string& path) {
  std::error_code reason;
  const bool found = std::filesystem::exists(path, reason);
  if (reason) fail(Exit::checkpoint, "cannot look at {}: {}", path, reason.message());
  return found;
}

void remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) cannot("remove", path);
}

void remove_folder_if_empty(const std::string& path) { ::rmdir(path.c_str()); }

std::int64_t free_bytes(const std::string& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) cannot("ask for the free space of", path);
  return static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
}

void reserve(const FileDescriptor& file, std::int64_t bytes, const std::string& path) {
  int status = -1;
  do {
    status = ::fallocate(file.number(), FALLOC_FL_KEEP_SIZE, 0, bytes);
  } while (status != 0 && errno == EINTR);
  if (status == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return;
  const std::string reason = system_reason(path);
  fail(Exit::checkpoint, "cannot reserve {} bytes for {}", bytes, reason);
}

void check_folder_writable(const std::string& folder) {
  const std::string probe = folder + "/.write-test";
  const FileDescriptor file = make_temporary(probe, Exit::checkpoint);
  try {
    write_all(file, "dfascale\n", probe, Exit::checkpoint);
    flush_to_disk(file, probe);
  } catch (const Error&) {
    ::unlink(probe.c_str());
    throw;
  }
  remove_file(probe);
}

FolderLock::FolderLock(const std::string& folder) : file_(folder + "/lock", Sharing::alone) {
  if (file_.state() == Locked::no)
    fail(Exit::checkpoint,
         "{}: this run folder is in use by {}; wait for it to end or choose another run.name",
         folder, signer_of(folder + "/lock"));
  if (file_.state() == Locked::unknown)
    log::warn("{}: this file system has no locks: make sure that no other job writes here", folder);
}

}  // namespace dfascale
