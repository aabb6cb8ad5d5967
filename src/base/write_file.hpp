// Writing files by name.  Nothing is written through a symbolic link, nothing into a file that
// another name shares, and a temporary file is always a new one.  Modes follow the umask.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/file_descriptor.hpp"

namespace dfascale {

/// Whose names the folder of a file holds: the program's, where PATH.tmp is what a killed program
/// left behind and goes, or a user's, where every file may be somebody's and stays.
enum class Folder { own, of_user };

/// Makes an empty file for reading and writing.  Throws Error if anything has the name.
FileDescriptor make_file(const std::string& path, Exit code);
/// The same in a folder of the program's own: removes a file or link that has the name.
FileDescriptor make_temporary(const std::string& path, Exit code);
/// Opens a regular file for writing at places of its own.
FileDescriptor open_to_write(const std::string& path, Exit code = Exit::checkpoint);
/// Opens a regular file for reading and writing, and makes it if there is none.
FileDescriptor open_or_make(const std::string& path, Exit code = Exit::checkpoint);
/// Opens a regular file for reading and appending, and makes it if there is none.  A file with
/// further names (hard links, as `cp -al` makes them) is replaced by a copy of its own first.
FileDescriptor open_to_append(const std::string& path, Exit code = Exit::checkpoint);

void write_all(const FileDescriptor& file, std::string_view bytes, const std::string& path,
               Exit code);
/// Writes at a place, in bytes from the start.
void write_at(const FileDescriptor& file, std::int64_t place, std::string_view bytes,
              const std::string& path, Exit code = Exit::checkpoint);
void flush_to_disk(const FileDescriptor& file, const std::string& path,
                   Exit code = Exit::checkpoint);
/// Flushes a file, or a folder's list of names, to disk.
void flush_to_disk(const std::string& path, Exit code = Exit::checkpoint);
/// Replaces `to`; flush the folder afterwards.
void rename_over(const std::string& from, const std::string& to, Exit code = Exit::checkpoint);
/// The folder that a path lies in; "." for a bare name.
std::string folder_of(const std::string& path);

/// PATH.tmp in the program's own folders, elsewhere a name that nothing has.
std::string temporary_name(const std::string& path, Folder folder);

/// A file written piece by piece under a temporary name.  It has its own name only once it is
/// complete and on disk; what was not completed is removed.
class NewFile {
 public:
  explicit NewFile(std::string path, Folder folder = Folder::own, Exit code = Exit::checkpoint);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::string_view bytes);
  /// Flushes to disk and renames, replacing a file or link that had the name.
  void complete();

 private:
  std::string path_, temporary_;
  Exit code_;
  FileDescriptor file_;
  bool completed_ = false;
};

/// The file has the old content or the new one, never a part, whenever the machine stops.
void write_atomically(const std::string& path, std::string_view text, Folder folder = Folder::own,
                      Exit code = Exit::checkpoint);

/// A text file that only grows; each append is one write.
class AppendFile {
 public:
  AppendFile() = default;
  /// Writes the header line, if one is given, where there is no file or an empty one.  Ends a last
  /// line that has no end.
  AppendFile(std::string path, std::string_view header);
  void append(const std::string& line);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  FileDescriptor file_;
};

}  // namespace dfascale
