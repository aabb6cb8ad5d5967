// Work on files of others in a process of its own: HDF5 can crash or fill the memory on a file that
// was made to do so, and then that is a message.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace dfascale {

/// Runs `work` in a child process and returns its exit code; the child goes on as the program, and
/// prints its own errors.  It may take some 2 GiB and six times `bytes` more memory than now, and a
/// minute and as long as 2 MB/s take of CPU time.  Throws Error(Exit::checkpoint), which names
/// `what`, if it is killed.  To be called before threads, MPI or a session begin.
int in_child(const std::string& what, std::int64_t bytes, const std::function<int()>& work);

/// Bytes of a file, or of all files of a folder and of those in it; 0 where nothing is.
std::int64_t bytes_at(const std::string& path);

}  // namespace dfascale
