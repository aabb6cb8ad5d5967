// Locks of a study: on the whole, so that two of them do not use the same cores by mistake, and on
// each run, so that several processes (a Slurm array) share one folder.  They are the kernel's file
// locks: whatever way a process ends, its locks are gone.
#pragma once

#include <optional>
#include <string>

#include "io/files.hpp"

namespace dfascale {

/// A run that nobody else may start.
class Claim {
 public:
  Claim() = default;
  /// Nothing if another process has it.
  static std::optional<Claim> take(const std::string& path);
  /// Kept open in the run's own process, the claim outlives the one that took it.
  int descriptor() const { return file_.descriptor(); }

 private:
  explicit Claim(LockFile file) : file_(std::move(file)) {}
  LockFile file_;
};

/// The study's folder.  Throws Error(Exit::checkpoint) if it is in use otherwise, or if it is to be
/// shared and its file system has no locks.
class StudyLock {
 public:
  StudyLock(const std::string& folder, Sharing sharing);

 private:
  LockFile file_;
};

}  // namespace dfascale
