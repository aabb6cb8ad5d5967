// HDF5 behind a few calls: files, arrays, attributes.  Every failure is an Error with the path
// inside the file and HDF5's own reason; the library itself prints nothing.  One process opens a
// file at a time; what several ranks write together is in checkpoint_write.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace dfascale {

/// An open HDF5 object, closed when it goes out of scope.  -1: none.
class Hdf5Handle {
 public:
  using Close = int (*)(std::int64_t);

  Hdf5Handle() = default;
  Hdf5Handle(std::int64_t id, Close close) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;
  ~Hdf5Handle() { close(); }

  std::int64_t id() const { return id_; }
  /// Closes now; false if the library could not (a full disk shows here at the latest).
  bool close();

 private:
  std::int64_t id_ = -1;
  Close close_ = nullptr;
};

/// What the elements of an array or attribute are, whatever their width.
enum class Hdf5Kind { real, integer, text, other };

/// Which rows of an array: [first, first + count) of its leading dimension.
struct Hdf5Rows {
  std::int64_t first, count;
};

class Hdf5File {
 public:
  /// For reading, by this process alone.  Errors carry the given exit code.
  static Hdf5File open(const std::string& path, Exit code);
  /// For writing, by this process alone; replaces what is there.
  static Hdf5File create(const std::string& path, Exit code);

  // ---- looking
  bool has(const std::string& at) const;
  bool is_group(const std::string& at) const;
  /// Names of a group's members, in alphabetical order.
  std::vector<std::string> children(const std::string& group) const;
  std::vector<std::int64_t> shape(const std::string& at) const;  ///< {} for a scalar
  Hdf5Kind kind(const std::string& at) const;

  // ---- arrays; numbers are converted to the type asked for
  std::vector<double> reals(const std::string& at) const;
  std::vector<std::int32_t> integers(const std::string& at) const;
  std::vector<std::string> texts(const std::string& at) const;
  /// Rows of a 1-D or 2-D array as floats.
  void read_rows(const std::string& at, Hdf5Rows rows, float* to) const;

  // ---- attributes of a group or array
  bool has_attribute(const std::string& at, const std::string& name) const;
  std::vector<std::string> attributes(const std::string& at) const;
  Hdf5Kind attribute_kind(const std::string& at, const std::string& name) const;
  double real_attribute(const std::string& at, const std::string& name) const;
  std::int64_t integer_attribute(const std::string& at, const std::string& name) const;
  std::uint64_t word_attribute(const std::string& at, const std::string& name) const;
  std::string text_attribute(const std::string& at, const std::string& name) const;

  // ---- writing
  void make_group(const std::string& at);
  /// An array of little-endian floats; parents are made.  Its place in the file is taken at once,
  /// row-major and without gaps; the values are to be written there when this is closed.
  void make_array(const std::string& at, const std::vector<std::int64_t>& shape);
  /// Where an array's values lie, in bytes from the start of the file.
  std::int64_t place_of(const std::string& at) const;
  void write_text(const std::string& at, const std::string& text);
  void set_attribute(const std::string& at, const std::string& name, double value);
  void set_attribute(const std::string& at, const std::string& name, std::int64_t value);
  void set_attribute(const std::string& at, const std::string& name, std::uint64_t value);
  void set_attribute(const std::string& at, const std::string& name, const std::string& text);
  /// Writes out what the library still holds and closes; throws if that fails.
  void close();

  const std::string& path() const { return path_; }

 private:
  Hdf5File(std::string path, Hdf5Handle file, Exit code)
      : path_(std::move(path)), file_(std::move(file)), code_(code) {}
  std::int64_t checked(std::int64_t result, const char* doing, const std::string& at) const;
  Hdf5Handle object(const std::string& at) const;
  Hdf5Handle array(const std::string& at) const;
  Hdf5Handle attribute(const std::string& at, const std::string& name) const;
  void set_scalar(const std::string& at, const std::string& name, std::int64_t stored_type,
                  std::int64_t memory_type, const void* value);

  std::string path_;
  Hdf5Handle file_;
  Exit code_;
};

}  // namespace dfascale
