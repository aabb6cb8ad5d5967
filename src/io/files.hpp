// Folders, free space, removing, and locks that say who holds them; writing is base/write_file.hpp.
// Every failure is an Error naming the path.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/file_descriptor.hpp"
#include "base/write_file.hpp"
#include "io/lock_file.hpp"

namespace dfascale {

void make_folder(const std::string& path);
std::string read_text(const std::string& path);
/// The last lines of a text file, as far as they are whole and fit into 4 KiB.
std::string read_end(const std::string& path);
/// A name beside `path` that nothing has: the path itself, or PATH.2, PATH.3, ...
std::string free_name(const std::string& path);
/// Throws if that cannot be told.
bool exists(const std::string& path);
/// A missing file is fine.
void remove_file(const std::string& path);
/// Leaves a folder that holds anything, and a link to a folder.
void remove_folder_if_empty(const std::string& path);
/// Bytes that an ordinary user may still write on this path's disk.
std::int64_t free_bytes(const std::string& path);
/// Reserves room for a file to become so large.  No room is an Error, a file system that cannot
/// reserve is not.
void reserve(const FileDescriptor& file, std::int64_t bytes, const std::string& path);
/// Writes, flushes and removes a small file: throws if the folder cannot be written.
void check_folder_writable(const std::string& folder);

/// Held while a program writes a run folder: a second one is told who is there.
class FolderLock {
 public:
  FolderLock() = default;
  explicit FolderLock(const std::string& folder);

 private:
  LockFile file_;
};

}  // namespace dfascale
