// A file that a process holds while it works in a folder, and that says who holds it.
#pragma once

#include <optional>
#include <string>

#include "base/file_descriptor.hpp"

namespace dfascale {

/// Whether others may hold a lock at the same time.
enum class Sharing { alone, with_others };

/// What became of the attempt to take a lock.
enum class Locked { yes, no, unknown };  ///< unknown: the file system has no locks

class LockFile {
 public:
  LockFile() = default;
  /// Opens the file, or makes it, and tries to take its lock; writes there who has it.  In a copy
  /// made with hard links (`cp -al`) the folder first gets a lock of its own: the holder of the
  /// original's is no reason to wait.
  LockFile(const std::string& path, Sharing sharing);

  Locked state() const { return state_; }
  int descriptor() const { return file_.number(); }

 private:
  void take(const std::string& path, Sharing sharing);
  void replace(const std::string& path, Sharing sharing);

  FileDescriptor file_;
  Locked state_ = Locked::no;
};

/// "process 12 on node7", from a lock's file.
std::string signer_of(const std::string& path);
/// Who holds a lock alone, if anybody does.
std::optional<std::string> holder(const std::string& path);

}  // namespace dfascale
