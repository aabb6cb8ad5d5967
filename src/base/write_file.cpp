#include "base/write_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "base/read_file.hpp"

namespace dfascale {

namespace {

constexpr mode_t by_umask = 0666;

[[noreturn]] void cannot(const char* doing, const std::string& path, Exit code) {
  if (errno == ELOOP)
    fail(code, "{}: a symbolic link, and nothing is written through one: remove the link", path);
  fail(code, "cannot {} {}", doing, system_reason(path));
}

// O_NONBLOCK: opening a pipe would wait for its reader.
FileDescriptor open_file(const std::string& path, int flags, const char* doing, Exit code) {
  const int all = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  FileDescriptor file(::open(path.c_str(), all, by_umask));
  if (file.number() < 0) cannot(doing, path, code);
  check_regular(file, path, code);
  return file;
}

// Until all is written; `some` writes what it can of the rest.
template <class Write>
void write_rest(std::string_view rest, const std::string& path, Exit code, Write&& some) {
  while (!rest.empty()) {
    const ssize_t written = some(rest);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot("write", path, code);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

bool has_other_names(const FileDescriptor& file) {
  struct stat about {};
  return ::fstat(file.number(), &about) == 0 && about.st_nlink > 1;
}

void copy_into(NewFile& copy, const std::string& path, Exit code) {
  const FileDescriptor from = open_regular_file(path, code);
  std::vector<char> bytes(64 << 10);
  while (true) {
    const ssize_t got = ::read(from.number(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot("read", path, code);
    if (got == 0) return;
    copy.write({bytes.data(), static_cast<std::size_t>(got)});
  }
}

// What is not a file stays as it is: no device or folder is replaced.
void check_replaceable(const std::string& path, Exit code) {
  struct stat about {};
  if (::stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode))
    fail(code, "{}: expected the name of a file, this is a folder or a device", path);
}

}  // namespace

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_name(const std::string& path, Folder folder) {
  constexpr int most = 1000;
  struct stat about {};
  for (int i = 0; folder == Folder::of_user && i < most; ++i) {
    std::string name = fmt::format("{}.{}-{}.tmp", path, ::getpid(), i);
    if (::lstat(name.c_str(), &about) != 0) return name;
  }
  return path + ".tmp";
}

FileDescriptor make_file(const std::string& path, Exit code) {
  return open_file(path, O_RDWR | O_CREAT | O_EXCL, "make", code);
}

FileDescriptor make_temporary(const std::string& path, Exit code) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) cannot("make", path, code);
  return make_file(path, code);
}

FileDescriptor open_to_write(const std::string& path, Exit code) {
  return open_file(path, O_WRONLY, "write", code);
}

FileDescriptor open_or_make(const std::string& path, Exit code) {
  return open_file(path, O_RDWR | O_CREAT, "write", code);
}

FileDescriptor open_to_append(const std::string& path, Exit code) {
  constexpr int flags = O_RDWR | O_CREAT | O_APPEND;
  FileDescriptor file = open_file(path, flags, "write", code);
  if (!has_other_names(file)) return file;
  NewFile copy(path, Folder::own, code);
  copy_into(copy, path, code);
  copy.complete();
  return open_file(path, flags, "write", code);
}

void write_all(const FileDescriptor& file, std::string_view bytes, const std::string& path,
               Exit code) {
  write_rest(bytes, path, code, [&](std::string_view rest) {
    return ::write(file.number(), rest.data(), rest.size());
  });
}

void write_at(const FileDescriptor& file, std::int64_t place, std::string_view bytes,
              const std::string& path, Exit code) {
  write_rest(bytes, path, code, [&](std::string_view rest) {
    const auto done = static_cast<std::int64_t>(bytes.size() - rest.size());
    return ::pwrite(file.number(), rest.data(), rest.size(), place + done);
  });
}

void flush_to_disk(const FileDescriptor& file, const std::string& path, Exit code) {
  // Some file systems cannot flush folders; their renames need none.
  if (::fsync(file.number()) != 0 && errno != EINVAL) cannot("flush", path, code);
}

void flush_to_disk(const std::string& path, Exit code) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) cannot("open", path, code);
  flush_to_disk(file, path, code);
}

void rename_over(const std::string& from, const std::string& to, Exit code) {
  if (std::rename(from.c_str(), to.c_str()) != 0) cannot("rename to", to, code);
}

NewFile::NewFile(std::string path, Folder folder, Exit code)
    : path_(std::move(path)), temporary_(temporary_name(path_, folder)), code_(code) {
  check_replaceable(path_, code_);
  file_ = folder == Folder::own ? make_temporary(temporary_, code_) : make_file(temporary_, code_);
}

NewFile::~NewFile() {
  if (!completed_ && file_.number() >= 0) ::unlink(temporary_.c_str());
}

void NewFile::write(std::string_view bytes) { write_all(file_, bytes, temporary_, code_); }

void NewFile::complete() {
  flush_to_disk(file_, temporary_, code_);
  rename_over(temporary_, path_, code_);
  completed_ = true;
  flush_to_disk(folder_of(path_), code_);
}

void write_atomically(const std::string& path, std::string_view text, Folder folder, Exit code) {
  NewFile file(path, folder, code);
  file.write(text);
  file.complete();
}

AppendFile::AppendFile(std::string path, std::string_view header)
    : path_(std::move(path)), file_(open_to_append(path_)) {
  const off_t length = ::lseek(file_.number(), 0, SEEK_END);
  char last = '\n';
  if (length == 0 && !header.empty()) append(std::string(header));
  else if (length > 0 && ::pread(file_.number(), &last, 1, length - 1) == 1 && last != '\n')
    write_all(file_, "\n", path_, Exit::checkpoint);
}

void AppendFile::append(const std::string& line) {
  const off_t before = ::lseek(file_.number(), 0, SEEK_END);
  try {
    write_all(file_, line + "\n", path_, Exit::checkpoint);
  } catch (const Error& error) {
    // Half a row would spoil the table.
    if (::ftruncate(file_.number(), before) == 0) throw;
    throw Error(error.code(), fmt::format("{} (and its last row is cut short)", error.what()));
  }
}

}  // namespace dfascale
