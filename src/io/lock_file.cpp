#include "io/lock_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/read_file.hpp"
#include "base/write_file.hpp"

namespace dfascale {
namespace {

constexpr Exit exit_code = Exit::checkpoint;

Locked lock(const FileDescriptor& file, int operation) {
  if (::flock(file.number(), operation | LOCK_NB) == 0) return Locked::yes;
  return errno == EWOULDBLOCK ? Locked::no : Locked::unknown;
}

int operation_of(Sharing sharing) { return sharing == Sharing::alone ? LOCK_EX : LOCK_SH; }

/// Device and number of a folder: a hard link in another folder then says that it is a copy.
std::string mark_of_folder(const std::string& path) {
  struct stat about {};
  if (::stat(folder_of(path).c_str(), &about) != 0) return "";
  return fmt::format("folder {}:{}", about.st_dev, about.st_ino);
}

void sign(const FileDescriptor& file, const std::string& path) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  if (::ftruncate(file.number(), 0) != 0) fail(exit_code, "cannot write {}", system_reason(path));
  const std::string text =
      fmt::format("process {} on {}\n{}\n", ::getpid(), host, mark_of_folder(path));
  write_at(file, 0, text, path);
}

bool has_other_names(const FileDescriptor& file) {
  struct stat about {};
  return ::fstat(file.number(), &about) == 0 && about.st_nlink > 1;
}

/// False where another process has put a lock of its own there meanwhile.
bool is_at(const FileDescriptor& file, const std::string& path) {
  struct stat ours {
  }, there{};
  return ::fstat(file.number(), &ours) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/// The holder wrote the mark of another folder: this is a copy's.
bool is_of_another_folder(const std::string& path) {
  const std::string text = read_small_file(path, exit_code);
  const std::size_t mark = text.find("folder ");
  return mark != std::string::npos && text.substr(mark) != mark_of_folder(path) + "\n";
}

}  // namespace

LockFile::LockFile(const std::string& path, Sharing sharing) {
  constexpr int most_attempts = 10;
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    take(path, sharing);
    if (state_ == Locked::no || is_at(file_, path)) return;
  }
  state_ = Locked::no;
}

void LockFile::take(const std::string& path, Sharing sharing) {
  file_ = open_or_make(path);
  const bool is_linked = has_other_names(file_);
  state_ = lock(file_, is_linked ? LOCK_EX : operation_of(sharing));
  if (is_linked && (state_ == Locked::yes || is_of_another_folder(path)))
    return replace(path, sharing);
  if (is_linked && sharing == Sharing::with_others) state_ = lock(file_, LOCK_SH);
  if (state_ == Locked::yes && !has_other_names(file_)) sign(file_, path);
}

/// The old file stays locked, if it was, until the new one has its name.
void LockFile::replace(const std::string& path, Sharing sharing) {
  const std::string temporary = path + ".tmp";
  FileDescriptor own = make_temporary(temporary, exit_code);
  state_ = lock(own, operation_of(sharing));
  sign(own, path);
  rename_over(temporary, path);
  std::swap(file_, own);
}

std::string signer_of(const std::string& path) {
  const std::string text = read_small_file(path, exit_code);
  const std::string first = text.substr(0, text.find('\n'));
  return first.empty() ? "another program" : first;
}

std::optional<std::string> holder(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.number() < 0) return std::nullopt;
  if (lock(file, LOCK_SH) != Locked::no) return std::nullopt;
  if (has_other_names(file) && is_of_another_folder(path)) return std::nullopt;
  return signer_of(path);
}

}  // namespace dfascale
