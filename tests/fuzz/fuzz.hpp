// What the fuzzing targets share: the fuzzer's bytes as a file, and which errors are good answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.hpp"

namespace dfascale::fuzz {

/// A folder in memory, removed when the process ends.
class Folder {
 public:
  Folder() {
    std::string made = "/dev/shm/dfascale-fuzz-XXXXXX";
    if (::mkdtemp(made.data()) == nullptr) std::abort();
    path_ = made;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  /// Writes bytes to a file of this name, over what it held; returns its path.
  std::string hold(const std::string& name, const std::uint8_t* data, std::size_t size) const {
    const std::string file = path_ + "/" + name;
    std::ofstream(file, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
    return file;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Runs `read`; an Error is an answer.  Whatever else is thrown ends the process: a finding.
template <class Read>
int answered(const Read& read) {
  try {
    read();
  } catch (const Error&) {}
  return 0;
}

/// Ends the process, as a finding, where a promise does not hold.
inline void promise(bool holds) {
  if (!holds) std::abort();
}

}  // namespace dfascale::fuzz
