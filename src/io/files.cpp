#include "io/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/log.hpp"

namespace dfascale {

namespace {

constexpr mode_t readable = 0644;

[[noreturn]] void cannot(const char* doing, const std::string& path) {
  fail(Exit::checkpoint, "cannot {} {}", doing, system_reason(path));
}

FileDescriptor open_file(const std::string& path, int flags, const char* doing) {
  const int number = ::open(path.c_str(), flags | O_CLOEXEC, readable);
  if (number < 0) cannot(doing, path);
  return FileDescriptor(number);
}

// Until all is written; `some` writes what it can of the rest.
template <class Write>
void write_rest(std::string_view rest, const std::string& path, Write&& some) {
  while (!rest.empty()) {
    const ssize_t written = some(rest);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot("write", path);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

void write_all(int file, std::string_view text, const std::string& path) {
  write_rest(text, path,
             [&](std::string_view rest) { return ::write(file, rest.data(), rest.size()); });
}

std::string folder_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

void make_folder(const std::string& path) {
  std::error_code reason;
  std::filesystem::create_directories(path, reason);
  if (reason) fail(Exit::checkpoint, "cannot make the folder {}: {}", path, reason.message());
}

NewFile::NewFile(std::string path)
    : path_(std::move(path)),
      temporary_(path_ + ".tmp"),
      file_(open_file(temporary_, O_WRONLY | O_CREAT | O_TRUNC, "make")) {}

NewFile::~NewFile() {
  if (!completed_) ::unlink(temporary_.c_str());
}

void NewFile::write(std::string_view bytes) { write_all(file_.number(), bytes, temporary_); }

void NewFile::complete() {
  flush_to_disk(file_, temporary_);
  rename_over(temporary_, path_);
  completed_ = true;
  flush_to_disk(folder_of(path_));
}

void write_atomically(const std::string& path, const std::string& text) {
  NewFile file(path);
  file.write(text);
  file.complete();
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) cannot("read", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool exists(const std::string& path) {
  std::error_code reason;
  const bool found = std::filesystem::exists(path, reason);
  if (reason) fail(Exit::checkpoint, "cannot look at {}: {}", path, reason.message());
  return found;
}

void flush_to_disk(const FileDescriptor& file, const std::string& path) {
  // Some file systems cannot flush folders; their renames need none.
  if (::fsync(file.number()) != 0 && errno != EINVAL) cannot("flush", path);
}

void flush_to_disk(const std::string& path) {
  flush_to_disk(open_file(path, O_RDONLY, "open"), path);
}

FileDescriptor open_to_write(const std::string& path) { return open_file(path, O_WRONLY, "write"); }

void write_at(const FileDescriptor& file, std::int64_t place, std::string_view bytes,
              const std::string& path) {
  write_rest(bytes, path, [&](std::string_view rest) {
    const auto done = static_cast<std::int64_t>(bytes.size() - rest.size());
    return ::pwrite(file.number(), rest.data(), rest.size(), place + done);
  });
}

void rename_over(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) cannot("rename to", to);
}

void remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) cannot("remove", path);
}

std::int64_t free_bytes(const std::string& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) cannot("ask for the free space of", path);
  return static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
}

void reserve(const std::string& path, std::int64_t bytes) {
  const FileDescriptor file = open_file(path, O_WRONLY | O_CREAT, "make");
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
  const FileDescriptor file = open_file(probe, O_WRONLY | O_CREAT | O_TRUNC, "write into");
  try {
    write_all(file.number(), "dfascale\n", probe);
    if (::fsync(file.number()) != 0) cannot("flush", probe);
  } catch (const Error&) {
    ::unlink(probe.c_str());
    throw;
  }
  remove_file(probe);
}

AppendFile::AppendFile(std::string path, std::string_view header)
    : path_(std::move(path)), file_(open_file(path_, O_WRONLY | O_CREAT | O_APPEND, "write")) {
  if (::lseek(file_.number(), 0, SEEK_END) == 0) append(std::string(header));
}

void AppendFile::append(const std::string& line) {
  const off_t before = ::lseek(file_.number(), 0, SEEK_END);
  try {
    write_all(file_.number(), line + "\n", path_);
  } catch (const Error&) {
    // Half a row would spoil the table; the error that is on its way says what happened.
    if (::ftruncate(file_.number(), before) != 0) log::warn("{}: a row is cut short", path_);
    throw;
  }
}

namespace {

std::string this_process() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("process {} on {}\n", ::getpid(), host);
}

}  // namespace

FolderLock::FolderLock(const std::string& folder) {
  const std::string path = folder + "/lock";
  file_ = open_file(path, O_RDWR | O_CREAT, "write");
  if (::flock(file_.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      std::string holder = read_text(path);
      if (!holder.empty() && holder.back() == '\n') holder.pop_back();
      fail(Exit::checkpoint,
           "{}: this run folder is in use by {}; wait for it to end or choose another run.name",
           folder, holder.empty() ? "another program" : holder);
    }
    log::warn("{}: this file system has no locks: make sure that no other job writes here", folder);
    return;
  }
  if (::ftruncate(file_.number(), 0) != 0) cannot("write", path);
  write_all(file_.number(), this_process(), path);
}

}  // namespace dfascale
