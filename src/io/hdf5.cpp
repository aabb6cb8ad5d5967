#include "io/hdf5.hpp"

#define OMPI_SKIP_MPICXX 1
#include <hdf5.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <numeric>

#include "io/files.hpp"

namespace dfascale {

static_assert(sizeof(hid_t) == sizeof(std::int64_t), "HDF5 1.10 or later is needed");

namespace {

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

// No tidying at the end: every file is closed here, and after a close that failed (a full disk) the
// library's second attempt crashes.  It makes that attempt at exit, and, if it finds MPI running
// when it starts, also in MPI_Finalize: so it starts before main, and before MPI.
const bool hdf5_is_prepared = H5dont_atexit() >= 0 && H5open() >= 0;

// What failed is told by an Error, not by the library.
void be_quiet() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::int64_t product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<hsize_t> extents(const std::vector<std::int64_t>& shape) {
  return {shape.begin(), shape.end()};
}

Hdf5Kind kind_of(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_FLOAT: return Hdf5Kind::real;
    case H5T_INTEGER: return Hdf5Kind::integer;
    case H5T_STRING: return Hdf5Kind::text;
    default: return Hdf5Kind::other;
  }
}

Hdf5Handle text_type(std::size_t length) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, std::max<std::size_t>(length, 1));
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  return {type, H5Tclose};
}

// Texts of fixed length lie one behind the other, ended by null bytes or their length.
std::vector<std::string> split_texts(const std::string& bytes, std::size_t length) {
  std::vector<std::string> texts;
  for (std::size_t at = 0; at + length <= bytes.size(); at += length)
    texts.push_back(bytes.substr(at, std::min(length, bytes.find('\0', at) - at)));
  return texts;
}

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

Hdf5File Hdf5File::open(const std::string& path, Exit code) {
  const auto open = [&](hid_t access) {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access);
    if (file < 0) fail(code, "{}: not a readable HDF5 file ({})", path, hdf5_reason());
    return file;
  };
  return {path, open_with(open), code};
}

Hdf5File Hdf5File::create(const std::string& path, Exit code) {
  constexpr std::int64_t large = 64 << 10, page = 4 << 10;  // bytes: large arrays start on a page
  const auto make = [&](hid_t access) {
    H5Pset_alignment(access, large, page);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
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

Hdf5Handle Hdf5File::object(const std::string& at) const {
  if (!has(at)) fail(code_, "{}: {} is missing", path_, at);
  return {checked(H5Oopen(file_.id(), at.c_str(), H5P_DEFAULT), "opening", at), H5Oclose};
}

Hdf5Handle Hdf5File::array(const std::string& at) const {
  Hdf5Handle opened = object(at);
  if (H5Iget_type(opened.id()) != H5I_DATASET) fail(code_, "{}: {} is not an array", path_, at);
  return opened;
}

Hdf5Handle Hdf5File::attribute(const std::string& at, const std::string& name) const {
  const Hdf5Handle holder = object(at);
  if (!has_attribute(at, name)) fail(code_, "{}: {}: attribute {} is missing", path_, at, name);
  return {checked(H5Aopen(holder.id(), name.c_str(), H5P_DEFAULT), "opening an attribute", at),
          H5Aclose};
}

// ---- looking

// H5Lexists wants every parent to be there.
bool Hdf5File::has(const std::string& at) const {
  for (std::size_t slash = 1; slash != std::string::npos && slash < at.size();) {
    slash = at.find('/', slash);
    const std::string part = at.substr(0, slash);
    if (H5Lexists(file_.id(), part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash != std::string::npos) ++slash;
  }
  return true;
}

bool Hdf5File::is_group(const std::string& at) const {
  return H5Iget_type(object(at).id()) == H5I_GROUP;
}

std::vector<std::string> Hdf5File::children(const std::string& group) const {
  if (!is_group(group)) fail(code_, "{}: {} is not a group", path_, group);
  std::vector<std::string> names;
  const auto note = [](hid_t, const char* name, const H5L_info_t*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    return 0;
  };
  checked(H5Literate(object(group).id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, note, &names),
          "listing", group);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::int64_t> Hdf5File::shape(const std::string& at) const {
  const Hdf5Handle values = array(at);
  const Hdf5Handle space(checked(H5Dget_space(values.id()), "reading the shape", at), H5Sclose);
  const auto rank = checked(H5Sget_simple_extent_ndims(space.id()), "reading the shape", at);
  std::vector<hsize_t> sizes(rank);
  checked(H5Sget_simple_extent_dims(space.id(), sizes.data(), nullptr), "reading the shape", at);
  return {sizes.begin(), sizes.end()};
}

Hdf5Kind Hdf5File::kind(const std::string& at) const {
  const Hdf5Handle values = array(at);
  const Hdf5Handle type(checked(H5Dget_type(values.id()), "reading the type", at), H5Tclose);
  return kind_of(type.id());
}

// ---- arrays

std::vector<double> Hdf5File::reals(const std::string& at) const {
  const Hdf5Kind found = kind(at);
  if (found != Hdf5Kind::real && found != Hdf5Kind::integer)
    fail(code_, "{}: {} does not hold numbers", path_, at);
  std::vector<double> values(product(shape(at)));
  checked(H5Dread(array(at).id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "reading", at);
  return values;
}

std::vector<std::int32_t> Hdf5File::integers(const std::string& at) const {
  if (kind(at) != Hdf5Kind::integer) fail(code_, "{}: {} does not hold integers", path_, at);
  std::vector<std::int32_t> values(product(shape(at)));
  checked(H5Dread(array(at).id(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "reading", at);
  return values;
}

std::vector<std::string> Hdf5File::texts(const std::string& at) const {
  const Hdf5Handle values = array(at);
  const Hdf5Handle type(checked(H5Dget_type(values.id()), "reading the type", at), H5Tclose);
  if (kind_of(type.id()) != Hdf5Kind::text || H5Tis_variable_str(type.id()) != 0)
    fail(code_, "{}: {} does not hold texts of fixed length", path_, at);
  const std::size_t length = H5Tget_size(type.id());
  std::string bytes(product(shape(at)) * length, '\0');
  checked(H5Dread(values.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), "reading",
          at);
  return split_texts(bytes, length);
}

namespace {

// Selects rows of a file space; returns how many elements they hold.
std::int64_t select_rows(hid_t space, const std::vector<std::int64_t>& shape, Hdf5Rows rows) {
  if (rows.count == 0) {
    H5Sselect_none(space);
    return 0;
  }
  std::vector<hsize_t> start(shape.size(), 0), count = extents(shape);
  start[0] = rows.first;
  count[0] = rows.count;
  H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  return rows.count * (product(shape) / shape[0]);
}

Hdf5Handle memory_space(std::int64_t elements) {
  const hsize_t extent = std::max<std::int64_t>(elements, 1);
  const hid_t space = H5Screate_simple(1, &extent, nullptr);
  if (elements == 0) H5Sselect_none(space);
  return {space, H5Sclose};
}

bool within(Hdf5Rows rows, const std::vector<std::int64_t>& shape) {
  return !shape.empty() && rows.first >= 0 && rows.count >= 0 &&
         rows.first <= shape[0] - rows.count;
}

}  // namespace

void Hdf5File::read_rows(const std::string& at, Hdf5Rows rows, float* to) const {
  const auto sizes = shape(at);
  if (kind(at) != Hdf5Kind::real) fail(code_, "{}: {} does not hold reals", path_, at);
  if (!within(rows, sizes))
    fail(code_, "{}: {}: no rows {} to {}", path_, at, rows.first, rows.first + rows.count);
  if (rows.count == 0) return;
  const Hdf5Handle values = array(at);
  const Hdf5Handle space(checked(H5Dget_space(values.id()), "reading the shape", at), H5Sclose);
  const Hdf5Handle memory = memory_space(select_rows(space.id(), sizes, rows));
  checked(H5Dread(values.id(), H5T_NATIVE_FLOAT, memory.id(), space.id(), H5P_DEFAULT, to),
          "reading", at);
}

// ---- attributes

bool Hdf5File::has_attribute(const std::string& at, const std::string& name) const {
  return checked(H5Aexists(object(at).id(), name.c_str()), "looking for an attribute", at) > 0;
}

std::vector<std::string> Hdf5File::attributes(const std::string& at) const {
  std::vector<std::string> names;
  const auto note = [](hid_t, const char* name, const H5A_info_t*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    return 0;
  };
  checked(H5Aiterate2(object(at).id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, note, &names),
          "listing attributes", at);
  return names;
}

Hdf5Kind Hdf5File::attribute_kind(const std::string& at, const std::string& name) const {
  const Hdf5Handle value = attribute(at, name);
  const Hdf5Handle type(checked(H5Aget_type(value.id()), "reading a type", at), H5Tclose);
  return kind_of(type.id());
}

namespace {

// One number; an attribute with more than one is refused.
bool holds_one(hid_t attribute) {
  const Hdf5Handle space(H5Aget_space(attribute), H5Sclose);
  return space.id() >= 0 && H5Sget_simple_extent_npoints(space.id()) == 1;
}

}  // namespace

double Hdf5File::real_attribute(const std::string& at, const std::string& name) const {
  const Hdf5Kind found = attribute_kind(at, name);
  const Hdf5Handle value = attribute(at, name);
  if ((found != Hdf5Kind::real && found != Hdf5Kind::integer) || !holds_one(value.id()))
    fail(code_, "{}: {}: attribute {} is not one number", path_, at, name);
  double number = 0;
  checked(H5Aread(value.id(), H5T_NATIVE_DOUBLE, &number), "reading an attribute", at);
  return number;
}

std::int64_t Hdf5File::integer_attribute(const std::string& at, const std::string& name) const {
  const Hdf5Kind found = attribute_kind(at, name);
  const Hdf5Handle value = attribute(at, name);
  if (found != Hdf5Kind::integer || !holds_one(value.id()))
    fail(code_, "{}: {}: attribute {} is not one integer", path_, at, name);
  std::int64_t number = 0;
  checked(H5Aread(value.id(), H5T_NATIVE_INT64, &number), "reading an attribute", at);
  return number;
}

std::uint64_t Hdf5File::word_attribute(const std::string& at, const std::string& name) const {
  const Hdf5Kind found = attribute_kind(at, name);
  const Hdf5Handle value = attribute(at, name);
  if (found != Hdf5Kind::integer || !holds_one(value.id()))
    fail(code_, "{}: {}: attribute {} is not one integer", path_, at, name);
  std::uint64_t number = 0;
  checked(H5Aread(value.id(), H5T_NATIVE_UINT64, &number), "reading an attribute", at);
  return number;
}

std::string Hdf5File::text_attribute(const std::string& at, const std::string& name) const {
  const Hdf5Handle value = attribute(at, name);
  const Hdf5Handle type(checked(H5Aget_type(value.id()), "reading a type", at), H5Tclose);
  if (kind_of(type.id()) != Hdf5Kind::text || H5Tis_variable_str(type.id()) != 0 ||
      !holds_one(value.id()))
    fail(code_, "{}: {}: attribute {} is not one text of fixed length", path_, at, name);
  std::string bytes(H5Tget_size(type.id()), '\0');
  checked(H5Aread(value.id(), type.id(), bytes.data()), "reading an attribute", at);
  return split_texts(bytes, bytes.size()).front();
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

// Contiguous, its place taken at once and never filled: every byte is written exactly once, by whom
// it belongs to.  No time stamps: the same content makes the same file.
void Hdf5File::make_array(const std::string& at, const std::vector<std::int64_t>& shape) {
  const Hdf5Handle parents(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(parents.id(), 1);
  const Hdf5Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_alloc_time(layout.id(), H5D_ALLOC_TIME_EARLY);
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
  const Hdf5Handle holder = object(at);
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
  const haddr_t place = H5Dget_offset(array(at).id());
  if (place == HADDR_UNDEF) fail(code_, "{}: {} has no place in the file", path_, at);
  return static_cast<std::int64_t>(place);
}

}  // namespace dfascale
