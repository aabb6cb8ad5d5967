// Files that survive a crash: replaced whole by rename, flushed to disk, appended a row at a time;
// free space; a lock that says who holds it.  Every failure is an Error naming the path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/file_descriptor.hpp"

namespace dfascale {

/// A file written piece by piece under a temporary name (PATH.tmp).  It has its own name only once
/// it is complete and on disk; what was not completed is removed.
class NewFile {
 public:
  explicit NewFile(std::string path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::string_view bytes);
  /// Flushes to disk and renames, replacing what had the name.
  void complete();

 private:
  std::string path_, temporary_;
  FileDescriptor file_;
  bool completed_ = false;
};

void make_folder(const std::string& path);
/// The file has the old content or the new one, never a part, whenever the machine stops.
void write_atomically(const std::string& path, const std::string& text);
std::string read_text(const std::string& path);
/// Throws if that cannot be told.
bool exists(const std::string& path);
/// Flushes a file, or a folder's list of names, to disk.
void flush_to_disk(const std::string& path);
void flush_to_disk(const FileDescriptor& file, const std::string& path);
/// An existing file, to be written in parts: each at its place, in bytes from the start.
FileDescriptor open_to_write(const std::string& path);
void write_at(const FileDescriptor& file, std::int64_t place, std::string_view bytes,
              const std::string& path);
/// Replaces `to`; flush the folder afterwards.
void rename_over(const std::string& from, const std::string& to);
/// A missing file is fine.
void remove_file(const std::string& path);
/// Bytes that an ordinary user may still write on this path's disk.
std::int64_t free_bytes(const std::string& path);
/// Reserves room for a file of this size, making it if there is none.  No room is an Error, a file
/// system that cannot reserve is not.
void reserve(const std::string& path, std::int64_t bytes);
/// Writes, flushes and removes a small file: throws if the folder cannot be written.
void check_folder_writable(const std::string& folder);

/// A text file that only grows; each append is one write.
class AppendFile {
 public:
  AppendFile() = default;
  /// Writes the header line where there is no file or an empty one.
  AppendFile(std::string path, std::string_view header);
  void append(const std::string& line);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  FileDescriptor file_;
};

/// Held while a program writes a run folder: a second one is told who is there.
class FolderLock {
 public:
  FolderLock() = default;
  explicit FolderLock(const std::string& folder);

 private:
  FileDescriptor file_;
};

}  // namespace dfascale
