// Safetensors files, which Python and most frameworks open without this program: the header's
// length (8 bytes, little-endian), a JSON header that gives each tensor's type, shape and place,
// then the values without gaps (https://huggingface.co/docs/safetensors).  Only 32-bit floats here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/files.hpp"

namespace dfascale {

struct SafeTensor {
  std::string name;
  std::vector<std::int64_t> shape;  ///< {} for a single number
  std::int64_t count() const;       ///< elements
};

using Metadata = std::map<std::string, std::string>;

/// Writes a file from front to back; it has its name only after complete().
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::string& path, const std::vector<SafeTensor>& tensors,
                    const Metadata& metadata);
  /// The values of the next tensor, row-major.
  void append(const std::vector<float>& values);
  /// Flushed to disk and renamed.
  void complete() { file_.complete(); }

 private:
  NewFile file_;
};

/// A file open for reading.  Error(Exit::checkpoint) if it is not safetensors, or holds other
/// types.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return path_; }
  std::int64_t bytes() const { return bytes_; }
  const Metadata& metadata() const { return metadata_; }
  /// In the order in which their values lie in the file.
  const std::vector<SafeTensor>& tensors() const { return tensors_; }
  /// Values of the tensor at this place in tensors(), row-major.
  std::vector<float> read(std::size_t tensor) const;

 private:
  void take_header(const std::string& header, std::int64_t data_bytes);

  std::string path_;
  FileDescriptor file_;
  std::int64_t bytes_ = 0;
  Metadata metadata_;
  std::vector<SafeTensor> tensors_;
  std::vector<std::int64_t> places_;  ///< of each tensor's values, bytes from the start of the file
};

}  // namespace dfascale
