// HDF5 behind a few calls: files, arrays, attributes.  Every failure is an Error with the path
// inside the file and HDF5's own reason; the library itself prints nothing.  Whether a file is
// opened by one process or by several ranks through MPI is decided here (ranks_mpi.cpp,
// ranks_alone.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "io/writer_ranks.hpp"

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
  void leave_open() { id_ = -1; }

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
  /// For writing, by all ranks together; replaces what is there.
  static Hdf5File create(const std::string& path, const WriterRanks& ranks, Exit code);

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

  // ---- writing; collective when several ranks created the file
  void make_group(const std::string& at);
  /// A float array whose values come by write_rows; parents are made.
  void make_array(const std::string& at, const std::vector<std::int64_t>& shape);
  /// Each rank its own rows (count may be 0).
  void write_rows(const std::string& at, Hdf5Rows rows, const float* from);
  void write_text(const std::string& at, const std::string& text);
  void set_attribute(const std::string& at, const std::string& name, double value);
  void set_attribute(const std::string& at, const std::string& name, std::int64_t value);
  void set_attribute(const std::string& at, const std::string& name, std::uint64_t value);
  void set_attribute(const std::string& at, const std::string& name, const std::string& text);
  /// Where in the file an array ends, in bytes.
  std::int64_t end_of(const std::string& at) const;
  /// Writes out what the library still holds and closes; throws if that fails.
  void close();
  /// Collective.  After a failed write: empties the file and closes it.  Closing writes what HDF5
  /// still holds; if that failed on one rank the others would wait for ever, so where even an
  /// emptied file leaves no room the file stays open until the program ends.
  void give_up(const WriterRanks& ranks);

  const std::string& path() const { return path_; }

 private:
  Hdf5File(std::string path, Hdf5Handle file, Hdf5Handle transfer, Exit code)
      : path_(std::move(path)),
        file_(std::move(file)),
        transfer_(std::move(transfer)),
        code_(code) {}
  std::int64_t checked(std::int64_t result, const char* doing, const std::string& at) const;
  Hdf5Handle object(const std::string& at) const;
  Hdf5Handle array(const std::string& at) const;
  Hdf5Handle attribute(const std::string& at, const std::string& name) const;
  void set_scalar(const std::string& at, const std::string& name, std::int64_t stored_type,
                  std::int64_t memory_type, const void* value);

  std::string path_;
  Hdf5Handle file_, transfer_;  ///< transfer_: how rows are written
  Exit code_;
  std::int64_t arrays_made_ = 0;
};

/// HDF5's property lists for a file that these ranks open together, and for their writes.
Hdf5Handle hdf5_access(const WriterRanks& ranks);
Hdf5Handle hdf5_transfer(const WriterRanks& ranks);

}  // namespace dfascale
