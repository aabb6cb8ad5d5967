#include "study/claim.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/log.hpp"

namespace dfascale {
namespace {

FileDescriptor open_lock(const std::string& path) {
  const int number = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (number < 0) fail(Exit::checkpoint, "cannot write {}", system_reason(path));
  return FileDescriptor(number);
}

enum class Locked { yes, no, unknown };

/// `unknown` where the file system has no locks.
Locked lock(const FileDescriptor& file, int operation) {
  if (::flock(file.number(), operation | LOCK_NB) == 0) return Locked::yes;
  return errno == EWOULDBLOCK ? Locked::no : Locked::unknown;
}

/// Says in the file who has it.
void sign(const FileDescriptor& file, const std::string& path) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string text = fmt::format("process {} on {}\n", ::getpid(), host);
  const bool is_written =
      ::ftruncate(file.number(), 0) == 0 &&
      ::pwrite(file.number(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (!is_written) fail(Exit::checkpoint, "cannot write {}", system_reason(path));
}

std::string signer(const std::string& path) {
  std::string text = read_text(path);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "another program" : text;
}

}  // namespace

std::optional<Claim> Claim::take(const std::string& path) {
  make_folder(std::filesystem::path(path).parent_path().string());
  FileDescriptor file = open_lock(path);
  if (lock(file, LOCK_EX) == Locked::no) return std::nullopt;
  sign(file, path);
  return Claim(std::move(file));
}

std::optional<std::string> holder(const std::string& path) {
  if (!exists(path)) return std::nullopt;
  if (lock(open_lock(path), LOCK_SH) != Locked::no) return std::nullopt;
  return signer(path);
}

StudyLock::StudyLock(const std::string& folder, Sharing sharing) {
  make_folder(folder);
  check_folder_writable(folder);
  const std::string path = folder + "/lock";
  file_ = open_lock(path);
  switch (lock(file_, sharing == Sharing::alone ? LOCK_EX : LOCK_SH)) {
    case Locked::yes: break;
    case Locked::no:
      fail(Exit::checkpoint,
           "{}: this study is in use by {}; wait for it to end, choose another study.dir, or begin "
           "all of them with --task",
           folder, signer(path));
    case Locked::unknown:
      if (sharing == Sharing::with_others)
        fail(Exit::checkpoint, "{}: --task needs file locks, which this file system does not have",
             folder);
      log::warn("{}: this file system has no locks: make sure that no other job writes here",
                folder);
      return;
  }
  sign(file_, path);
}

}  // namespace dfascale
