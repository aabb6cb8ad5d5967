// HDF5 behind a few calls: files, arrays, attributes.  Every failure is an Error with the path
// inside the file and HDF5's own reason; the library itself prints nothing.  One process opens a
// file at a time; what several ranks write together is in checkpoint_write.cpp.
//
// A file that is read may be made by anybody: links to other files or places, objects with two
// names, values in other files, unknown filters and sizes that the file cannot hold are Errors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
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

/// An array that may be read.  elements * element_bytes does not overflow.
struct Hdf5Storage {
  Hdf5Kind kind = Hdf5Kind::other;
  std::vector<std::int64_t> shape;  ///< {} for a scalar, no dimension is 0
  std::int64_t elements = 1, element_bytes = 0;
  std::int64_t stored_bytes = 0;  ///< in the file, as its filters left them

  std::int64_t bytes() const { return elements * element_bytes; }
};

/// Which rows of an array: [first, first + count) of its leading dimension.
struct Hdf5Rows {
  std::int64_t first, count;
};

/// Whether arrays of a file may have several names, as arrays of golden files that are equal do.
enum class Hdf5Names { one, several_of_arrays };

class Hdf5File {
 public:
  /// For reading, by this process alone.  Errors carry the given exit code.
  static Hdf5File open(const std::string& path, Exit code, Hdf5Names names = Hdf5Names::one);
  /// For writing, by this process alone; replaces what is there.
  static Hdf5File create(const std::string& path, Exit code);

  // ---- looking
  bool has(const std::string& at) const;
  bool is_group(const std::string& at) const;
  /// Names of a group's members, in alphabetical order; the members are not looked at.  More than
  /// `most` are an Error.
  std::vector<std::string> children(const std::string& group, std::int64_t most) const;
  std::vector<std::int64_t> shape(const std::string& at) const;  ///< {} for a scalar
  /// What an array is, once all has been checked that its values need.
  const Hdf5Storage& storage(const std::string& at) const;

  // ---- arrays; numbers are converted to the type asked for; at most 1 GiB of all that is read
  // whole
  std::vector<double> reals(const std::string& at) const;
  std::vector<std::int32_t> integers(const std::string& at) const;
  /// More than so many bytes are an Error.
  std::vector<std::string> texts(const std::string& at, std::int64_t most_bytes) const;
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
  /// The same in chunks of so many whole rows, each compressed (shuffle, then deflate of this
  /// level) and stored when it is written.
  void make_chunked_array(const std::string& at, const std::vector<std::int64_t>& shape,
                          std::int64_t rows, int level);
  /// A chunk as its filters leave it; the array's shape, and the first row of the chunk.
  void write_chunk(const std::string& at, const std::vector<std::int64_t>& shape,
                   std::int64_t first_row, std::string_view bytes);
  /// Where the values of an array without chunks lie, in bytes from the start of the file.
  std::int64_t place_of(const std::string& at) const;
  void write_text(const std::string& at, const std::string& text);
  void set_attribute(const std::string& at, const std::string& name, double value);
  void set_attribute(const std::string& at, const std::string& name, std::int64_t value);
  void set_attribute(const std::string& at, const std::string& name, std::uint64_t value);
  void set_attribute(const std::string& at, const std::string& name, const std::string& text);
  /// Writes out what the library still holds and closes; throws if that fails.
  void close();

  const std::string& path() const { return path_; }
  /// Of a file that is read, as it was when it was opened.
  std::int64_t bytes() const { return bytes_; }

 private:
  Hdf5File(std::string path, Hdf5Handle file, Exit code)
      : path_(std::move(path)), file_(std::move(file)), code_(code) {}
  std::int64_t checked(std::int64_t result, const char* doing, const std::string& at) const;
  Hdf5Handle object(const std::string& at) const;
  Hdf5Handle made(const std::string& at) const;
  Hdf5Handle array(const std::string& at) const;
  void count_whole(const std::string& at, std::int64_t elements, std::int64_t element_bytes) const;
  Hdf5Handle attribute(const std::string& at, const std::string& name) const;
  void make(const std::string& at, const std::vector<std::int64_t>& shape,
            const Hdf5Handle& layout);
  void set_scalar(const std::string& at, const std::string& name, std::int64_t stored_type,
                  std::int64_t memory_type, const void* value);

  std::string path_;
  Hdf5Handle file_;
  Exit code_;
  std::int64_t bytes_ = 0;
  // ---- what was found so far
  Hdf5Names allowed_ = Hdf5Names::one;
  mutable std::map<std::string, std::string> names_;  ///< the first path of every object
  mutable std::map<std::string, Hdf5Storage> arrays_;
  mutable std::int64_t stored_bytes_ = 0;  ///< of these, each object once
  mutable std::int64_t whole_bytes_ = 0;   ///< read whole
};

}  // namespace dfascale
