// Hdf5File: opening, making and writing.  Reading is in hdf5_read.cpp.
#include "io/hdf5.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "base/read_file.hpp"
#include "base/write_file.hpp"
#include "io/hdf5_library.hpp"

namespace dfascale {

// The innermost entry of HDF5's error stack says what really happened.
std::string hdf5_reason() {
  std::string reason;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned depth, const H5E_error2_t* entry, void* to) -> herr_t {
        if (depth == 0 && entry->desc) *static_cast<std::string*>(to) = entry->desc;
        return 0;
      },
      &reason);
  H5Eclear2(H5E_DEFAULT);
  // "file write failed: time = ..., errno = 28, error message = 'No space left on device', buf ..."
  constexpr std::string_view mark = "error message = '";
  if (const std::size_t at = reason.find(mark); at != std::string::npos)
    reason =
        reason.substr(at + mark.size(), reason.find('\'', at + mark.size()) - at - mark.size());
  return reason.empty() ? "HDF5 gives no reason" : reason;
}

namespace {

// No tidying at the end: every file is closed here, and after a close that failed (a full disk) the
// library's second attempt crashes.  It makes that attempt at exit, and, if it finds MPI running
// when it starts, also in MPI_Finalize: so it starts before main, and before MPI.
// Nor does it load filters that a file asks for.
const bool hdf5_is_prepared =
    H5dont_atexit() >= 0 && H5open() >= 0 && H5PLset_loading_state(0) >= 0;

Hdf5Handle text_type(std::size_t length) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, std::max<std::size_t>(length, 1));
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  return {type, H5Tclose};
}

// What failed is told by an Error, not by the library.
void be_quiet() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

}  // namespace

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
  if (this == &other) return *this;
  close();
  id_ = std::exchange(other.id_, -1);
  close_ = other.close_;
  return *this;
}

bool Hdf5Handle::close() {
  const std::int64_t id = std::exchange(id_, -1);
  return id < 0 || !close_ || close_(id) >= 0;
}

// ---- opening

namespace {

// Readers need no lock, since files are replaced by rename only; writers have the run folder's.
template <class Open>
Hdf5Handle open_with(Open&& open) {
  be_quiet();
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(access.id(), false, true);
  H5Pset_sieve_buf_size(access.id(), 0);  // a write fails when it is made, not when it is forgotten
  return {open(access.id()), H5Fclose};
}

}  // namespace

Hdf5File Hdf5File::open(const std::string& path, Exit code, Hdf5Names names) {
  struct stat about {};
  const FileDescriptor regular = open_regular_file(path, code);
  if (::fstat(regular.number(), &about) != 0) fail(code, "cannot read {}", system_reason(path));
  const auto open = [&](hid_t access) {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access);
    if (file < 0) fail(code, "{}: not a readable HDF5 file ({})", path, hdf5_reason());
    return file;
  };
  Hdf5File file(path, open_with(open), code);
  file.bytes_ = about.st_size;
  file.allowed_ = names;
  return file;
}

Hdf5File Hdf5File::create(const std::string& path, Exit code) {
  constexpr std::int64_t large = 64 << 10, page = 4 << 10;  // bytes: large arrays start on a page
  // HDF5 itself would follow a link: it gets the file that was made here, not the name.
  const FileDescriptor made = make_temporary(path, code);
  const std::string opened = fmt::format("/proc/self/fd/{}", made.number());
  const auto make = [&](hid_t access) {
    H5Pset_alignment(access, large, page);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    const hid_t file = H5Fcreate(opened.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    if (file < 0) fail(code, "{}: cannot be created ({})", path, hdf5_reason());
    return file;
  };
  return {path, open_with(make), code};
}

void Hdf5File::close() {
  if (!file_.close()) fail(code_, "{}: cannot be completed ({})", path_, hdf5_reason());
}

std::int64_t Hdf5File::checked(std::int64_t result, const char* doing,
                               const std::string& at) const {
  if (result < 0) fail(code_, "{}: {}: {} failed ({})", path_, at, doing, hdf5_reason());
  return result;
}

Hdf5Handle Hdf5File::made(const std::string& at) const {
  return {checked(H5Oopen(file_.id(), at.c_str(), H5P_DEFAULT), "opening", at), H5Oclose};
}

// ---- writing

void Hdf5File::make_group(const std::string& at) {
  const Hdf5Handle parents(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(parents.id(), 1);
  const Hdf5Handle group(
      checked(H5Gcreate2(file_.id(), at.c_str(), parents.id(), H5P_DEFAULT, H5P_DEFAULT),
              "making the group", at),
      H5Gclose);
}

// No time stamps: the same content makes the same file.
void Hdf5File::make(const std::string& at, const std::vector<std::int64_t>& shape,
                    const Hdf5Handle& layout) {
  const Hdf5Handle parents(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(parents.id(), 1);
  H5Pset_fill_time(layout.id(), H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(layout.id(), false);
  const auto sizes = extents(shape);
  const Hdf5Handle space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr),
                         H5Sclose);
  const Hdf5Handle values(checked(H5Dcreate2(file_.id(), at.c_str(), H5T_IEEE_F32LE, space.id(),
                                             parents.id(), layout.id(), H5P_DEFAULT),
                                  "making the array", at),
                          H5Dclose);
}

// Contiguous, its place taken at once and never filled: every byte is written exactly once, by whom
// it belongs to.
void Hdf5File::make_array(const std::string& at, const std::vector<std::int64_t>& shape) {
  const Hdf5Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_alloc_time(layout.id(), H5D_ALLOC_TIME_EARLY);
  make(at, shape, layout);
}

void Hdf5File::make_chunked_array(const std::string& at, const std::vector<std::int64_t>& shape,
                                  std::int64_t rows, int level) {
  const Hdf5Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  auto chunk = extents(shape);
  chunk[0] = static_cast<hsize_t>(rows);
  checked(H5Pset_chunk(layout.id(), static_cast<int>(chunk.size()), chunk.data()),
          "choosing chunks", at);
  checked(H5Pset_shuffle(layout.id()), "choosing the shuffle filter", at);
  checked(H5Pset_deflate(layout.id(), static_cast<unsigned>(level)), "choosing the deflate filter",
          at);
  make(at, shape, layout);
}

void Hdf5File::write_chunk(const std::string& at, const std::vector<std::int64_t>& shape,
                           std::int64_t first_row, std::string_view bytes) {
  std::vector<hsize_t> place(shape.size(), 0);
  place[0] = static_cast<hsize_t>(first_row);
  checked(H5Dwrite_chunk(made(at).id(), H5P_DEFAULT, 0, place.data(), bytes.size(), bytes.data()),
          "writing a chunk", at);
}

void Hdf5File::write_text(const std::string& at, const std::string& text) {
  const Hdf5Handle type = text_type(text.size());
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_obj_track_times(layout.id(), false);
  const Hdf5Handle values(checked(H5Dcreate2(file_.id(), at.c_str(), type.id(), space.id(),
                                             H5P_DEFAULT, layout.id(), H5P_DEFAULT),
                                  "making the text", at),
                          H5Dclose);
  const char* bytes = text.c_str();  // at least one byte, the final null
  checked(H5Dwrite(values.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes), "writing", at);
}

void Hdf5File::set_scalar(const std::string& at, const std::string& name, std::int64_t stored_type,
                          std::int64_t memory_type, const void* value) {
  const Hdf5Handle holder = made(at);
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle made(checked(H5Acreate2(holder.id(), name.c_str(), stored_type, space.id(),
                                           H5P_DEFAULT, H5P_DEFAULT),
                                "making an attribute", at),
                        H5Aclose);
  checked(H5Awrite(made.id(), memory_type, value), "writing an attribute", at);
}

void Hdf5File::set_attribute(const std::string& at, const std::string& name, double value) {
  set_scalar(at, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}
void Hdf5File::set_attribute(const std::string& at, const std::string& name, std::int64_t value) {
  set_scalar(at, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}
void Hdf5File::set_attribute(const std::string& at, const std::string& name, std::uint64_t value) {
  set_scalar(at, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, &value);
}
void Hdf5File::set_attribute(const std::string& at, const std::string& name,
                             const std::string& text) {
  const Hdf5Handle type = text_type(text.size());
  set_scalar(at, name, type.id(), type.id(), text.c_str());
}

std::int64_t Hdf5File::place_of(const std::string& at) const {
  const haddr_t place = H5Dget_offset(made(at).id());
  if (place == HADDR_UNDEF) fail(code_, "{}: {} has no place in the file", path_, at);
  return static_cast<std::int64_t>(place);
}

}  // namespace dfascale
