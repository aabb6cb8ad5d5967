// The bytes of a file, unpacked on the way if it is gzip or Zstandard (known by its first bytes,
// not by its name).  Keeps the SHA-256 of the file as it lies on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "data/sha256.hpp"

namespace dfascale {

/// One block of packed bytes after another in, unpacked bytes out.
class Unpacker {
 public:
  virtual ~Unpacker() = default;
  /// Takes from [*in, end), moves *in on, appends at most about a megabyte to `out`.
  virtual void unpack(const char*& in, const char* end, std::string& out) = 0;
  /// False in the middle of a packed stream: the file is cut off if it ends there.
  virtual bool may_end() const = 0;
};

class ByteSource {
 public:
  /// Throws Error(Exit::data) if this is no file or cannot be read.
  explicit ByteSource(const std::string& path);

  /// Appends the next block to `out`; false at the end of the file.
  bool read(std::string& out);
  bool is_packed() const { return unpacker_ != nullptr; }
  /// Bytes of the file, as it lies on disk, read so far.
  std::int64_t bytes_read() const { return bytes_read_; }
  /// SHA-256 of the file as it lies on disk; call once, at the end.
  std::string sha256() { return sum_.hex(); }

 private:
  bool refill();

  std::string path_;
  FileDescriptor file_;
  std::unique_ptr<Unpacker> unpacker_;  ///< none for a plain file
  std::vector<char> block_;
  std::size_t used_ = 0, filled_ = 0;  ///< [used_, filled_) of the block is still to be taken
  std::int64_t bytes_read_ = 0;
  Sha256 sum_;
};

}  // namespace dfascale
