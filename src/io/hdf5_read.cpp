// Hdf5File: reading.  The one door to HDF5 files that somebody else may have made: nothing is
// opened but what a caller names, no link is followed out of the file, no object has two names, no
// array is read before check_storage() has looked at it.
#include <algorithm>

#include "io/hdf5_library.hpp"
#include "io/hdf5_storage.hpp"

namespace dfascale {

namespace {

constexpr std::int64_t most_attributes = 1000;
constexpr std::size_t longest_name = 255;
constexpr std::size_t longest_attribute = 64 << 10;  // bytes of a text

/// What tells an open object from all others of its file; empty if the library cannot say.
std::string identity_of(hid_t object) {
#if H5_VERSION_GE(1, 12, 0)
  H5O_info2_t info{};
  if (H5Oget_info3(object, &info, H5O_INFO_BASIC) < 0) return {};
  return {reinterpret_cast<const char*>(&info.token), sizeof info.token};
#else
  H5O_info_t info{};
  return H5Oget_info2(object, &info, H5O_INFO_BASIC) < 0 ? "" : std::to_string(info.addr);
#endif
}

// Texts of fixed length lie one behind the other, ended by null bytes or their length.
std::vector<std::string> split_texts(const std::string& bytes, std::size_t length) {
  std::vector<std::string> texts;
  for (std::size_t at = 0; at + length <= bytes.size(); at += length)
    texts.push_back(bytes.substr(at, std::min(length, bytes.find('\0', at) - at)));
  return texts;
}

bool is_plain(const std::string& name) {
  const auto is_odd = [](unsigned char c) { return c < ' ' || c == 127; };
  return name.size() <= longest_name && std::none_of(name.begin(), name.end(), is_odd);
}

/// Names as they are listed, until there are too many or one is odd.
struct Names {
  std::int64_t most;
  std::vector<std::string> found;

  bool are_too_many() const { return static_cast<std::int64_t>(found.size()) > most; }
  bool are_odd() const { return !found.empty() && !is_plain(found.back()); }
  /// Not 0: no more of them.
  herr_t note(const char* name) {
    found.emplace_back(name);
    return are_too_many() || are_odd() ? 1 : 0;
  }
};

}  // namespace

// ---- looking

// H5Lexists wants every parent to be there.
bool Hdf5File::has(const std::string& at) const {
  for (std::size_t slash = 1; slash != std::string::npos && slash < at.size();) {
    slash = at.find('/', slash);
    const std::string part = at.substr(0, slash);
    if (H5Lexists(file_.id(), part.c_str(), H5P_DEFAULT) <= 0) return false;
    H5L_info_t link{};
    checked(H5Lget_info(file_.id(), part.c_str(), &link, H5P_DEFAULT), "looking up", part);
    if (link.type != H5L_TYPE_HARD)
      fail(code_, "{}: {} is a link to another {}: such links are not followed", path_, part,
           link.type == H5L_TYPE_SOFT ? "place" : "file");
    if (slash != std::string::npos) ++slash;
  }
  return true;
}

// Groups with two names make circles, and small files that never end.
Hdf5Handle Hdf5File::object(const std::string& at) const {
  if (!has(at)) fail(code_, "{}: {} is missing", path_, at);
  Hdf5Handle opened(checked(H5Oopen(file_.id(), at.c_str(), H5P_DEFAULT), "opening", at), H5Oclose);
  const auto [known, is_new] = names_.emplace(identity_of(opened.id()), at);
  const bool may_be_known =
      allowed_ == Hdf5Names::several_of_arrays && H5Iget_type(opened.id()) == H5I_DATASET;
  if (!is_new && known->second != at && !may_be_known)
    fail(code_, "{}: {} and {} are the same object: expected each by itself", path_, known->second,
         at);
  return opened;
}

Hdf5Handle Hdf5File::array(const std::string& at) const {
  Hdf5Handle opened = object(at);
  if (H5Iget_type(opened.id()) != H5I_DATASET) fail(code_, "{}: {} is not an array", path_, at);
  if (arrays_.contains(at)) return opened;
  const std::string& first_name = names_.at(identity_of(opened.id()));
  if (const auto known = arrays_.find(first_name); known != arrays_.end()) {
    arrays_.emplace(at, known->second);
    return opened;
  }
  try {
    const Hdf5Storage& found =
        arrays_.emplace(at, check_storage(opened.id(), bytes_)).first->second;
    stored_bytes_ += found.stored_bytes;
  } catch (const Error& error) {
    fail(code_, "{}: {}: {}", path_, at, error.what());
  }
  if (stored_bytes_ > bytes_)
    fail(code_, "{}: {}: the arrays of this file share their places", path_, at);
  return opened;
}

const Hdf5Storage& Hdf5File::storage(const std::string& at) const {
  if (!arrays_.contains(at)) array(at);
  return arrays_.at(at);
}

bool Hdf5File::is_group(const std::string& at) const {
  return H5Iget_type(object(at).id()) == H5I_GROUP;
}

std::vector<std::string> Hdf5File::children(const std::string& group, std::int64_t most) const {
  if (!is_group(group)) fail(code_, "{}: {} is not a group", path_, group);
  Names names{most, {}};
  const auto note = [](hid_t, const char* name, const H5L_info_t*, void* to) -> herr_t {
    return static_cast<Names*>(to)->note(name);
  };
  checked(H5Literate(object(group).id(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, note, &names),
          "listing", group);
  if (names.are_odd()) fail(code_, "{}: {} holds a name that no text shows", path_, group);
  if (names.are_too_many())
    fail(code_, "{}: {} holds more than {} members", path_, group, names.most);
  std::sort(names.found.begin(), names.found.end());
  return names.found;
}

std::vector<std::int64_t> Hdf5File::shape(const std::string& at) const { return storage(at).shape; }

// ---- arrays

namespace {

constexpr std::int64_t most_whole_bytes = 1 << 30;

bool is_number(Hdf5Kind kind) { return kind == Hdf5Kind::real || kind == Hdf5Kind::integer; }

}  // namespace

void Hdf5File::count_whole(const std::string& at, std::int64_t elements,
                           std::int64_t element_bytes) const {
  if (elements > (most_whole_bytes - whole_bytes_) / element_bytes)
    fail(code_, "{}: {}: with it the file holds more than {} bytes of numbers", path_, at,
         most_whole_bytes);
  whole_bytes_ += elements * element_bytes;
}

std::vector<double> Hdf5File::reals(const std::string& at) const {
  const Hdf5Storage& found = storage(at);
  if (!is_number(found.kind)) fail(code_, "{}: {} does not hold numbers", path_, at);
  count_whole(at, found.elements, sizeof(double));
  std::vector<double> values(static_cast<std::size_t>(found.elements));
  checked(H5Dread(array(at).id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "reading", at);
  return values;
}

std::vector<std::int32_t> Hdf5File::integers(const std::string& at) const {
  const Hdf5Storage& found = storage(at);
  if (found.kind != Hdf5Kind::integer) fail(code_, "{}: {} does not hold integers", path_, at);
  count_whole(at, found.elements, sizeof(std::int32_t));
  std::vector<std::int32_t> values(static_cast<std::size_t>(found.elements));
  checked(H5Dread(array(at).id(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "reading", at);
  return values;
}

std::vector<std::string> Hdf5File::texts(const std::string& at, std::int64_t most_bytes) const {
  const Hdf5Storage& found = storage(at);
  if (found.kind != Hdf5Kind::text)
    fail(code_, "{}: {} does not hold texts of fixed length", path_, at);
  if (found.bytes() > most_bytes)
    fail(code_, "{}: {} holds {} bytes of text, at most {} are read", path_, at, found.bytes(),
         most_bytes);
  const Hdf5Handle values = array(at);
  const Hdf5Handle type(checked(H5Dget_type(values.id()), "reading the type", at), H5Tclose);
  std::string bytes(static_cast<std::size_t>(found.bytes()), '\0');
  checked(H5Dread(values.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), "reading",
          at);
  return split_texts(bytes, static_cast<std::size_t>(found.element_bytes));
}

namespace {

// Selects rows of a file space; returns how many elements they hold.
std::int64_t select_rows(hid_t space, const Hdf5Storage& array, Hdf5Rows rows) {
  std::vector<hsize_t> start(array.shape.size(), 0), count = extents(array.shape);
  start[0] = static_cast<hsize_t>(rows.first);
  count[0] = static_cast<hsize_t>(rows.count);
  H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  return rows.count * (array.elements / array.shape[0]);
}

Hdf5Handle memory_space(std::int64_t elements) {
  const auto extent = static_cast<hsize_t>(elements);
  return {H5Screate_simple(1, &extent, nullptr), H5Sclose};
}

bool within(Hdf5Rows rows, const std::vector<std::int64_t>& shape) {
  return !shape.empty() && rows.first >= 0 && rows.count >= 0 &&
         rows.first <= shape[0] - rows.count;
}

}  // namespace

void Hdf5File::read_rows(const std::string& at, Hdf5Rows rows, float* to) const {
  const Hdf5Storage& found = storage(at);
  if (found.kind != Hdf5Kind::real) fail(code_, "{}: {} does not hold reals", path_, at);
  if (!within(rows, found.shape))
    fail(code_, "{}: {}: no rows {} to {}", path_, at, rows.first, rows.first + rows.count);
  if (rows.count == 0) return;
  const Hdf5Handle values = array(at);
  const Hdf5Handle space(checked(H5Dget_space(values.id()), "reading the shape", at), H5Sclose);
  const Hdf5Handle memory = memory_space(select_rows(space.id(), found, rows));
  checked(H5Dread(values.id(), H5T_NATIVE_FLOAT, memory.id(), space.id(), H5P_DEFAULT, to),
          "reading", at);
}

// ---- attributes

bool Hdf5File::has_attribute(const std::string& at, const std::string& name) const {
  return checked(H5Aexists(object(at).id(), name.c_str()), "looking for an attribute", at) > 0;
}

std::vector<std::string> Hdf5File::attributes(const std::string& at) const {
  Names names{most_attributes, {}};
  const auto note = [](hid_t, const char* name, const H5A_info_t*, void* to) -> herr_t {
    return static_cast<Names*>(to)->note(name);
  };
  checked(H5Aiterate2(object(at).id(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, note, &names),
          "listing attributes", at);
  if (names.are_odd()) fail(code_, "{}: {} has an attribute that no text shows", path_, at);
  if (names.are_too_many())
    fail(code_, "{}: {} has more than {} attributes", path_, at, names.most);
  return names.found;
}

Hdf5Handle Hdf5File::attribute(const std::string& at, const std::string& name) const {
  const Hdf5Handle holder = object(at);
  if (!has_attribute(at, name)) fail(code_, "{}: {}: attribute {} is missing", path_, at, name);
  return {checked(H5Aopen(holder.id(), name.c_str(), H5P_DEFAULT), "opening an attribute", at),
          H5Aclose};
}

namespace {

// `other` too for an attribute that holds none or several.
Hdf5Kind kind_of_one(hid_t attribute) {
  const Hdf5Handle space(H5Aget_space(attribute), H5Sclose);
  const Hdf5Handle type(H5Aget_type(attribute), H5Tclose);
  if (space.id() < 0 || type.id() < 0 || H5Sget_simple_extent_npoints(space.id()) != 1)
    return Hdf5Kind::other;
  return standard_kind(type.id());
}

}  // namespace

Hdf5Kind Hdf5File::attribute_kind(const std::string& at, const std::string& name) const {
  return kind_of_one(attribute(at, name).id());
}

double Hdf5File::real_attribute(const std::string& at, const std::string& name) const {
  const Hdf5Handle value = attribute(at, name);
  if (!is_number(kind_of_one(value.id())))
    fail(code_, "{}: {}: attribute {} is not one number", path_, at, name);
  double number = 0;
  checked(H5Aread(value.id(), H5T_NATIVE_DOUBLE, &number), "reading an attribute", at);
  return number;
}

std::int64_t Hdf5File::integer_attribute(const std::string& at, const std::string& name) const {
  const Hdf5Handle value = attribute(at, name);
  if (kind_of_one(value.id()) != Hdf5Kind::integer)
    fail(code_, "{}: {}: attribute {} is not one integer", path_, at, name);
  std::int64_t number = 0;
  checked(H5Aread(value.id(), H5T_NATIVE_INT64, &number), "reading an attribute", at);
  return number;
}

std::uint64_t Hdf5File::word_attribute(const std::string& at, const std::string& name) const {
  const Hdf5Handle value = attribute(at, name);
  if (kind_of_one(value.id()) != Hdf5Kind::integer)
    fail(code_, "{}: {}: attribute {} is not one integer", path_, at, name);
  std::uint64_t number = 0;
  checked(H5Aread(value.id(), H5T_NATIVE_UINT64, &number), "reading an attribute", at);
  return number;
}

std::string Hdf5File::text_attribute(const std::string& at, const std::string& name) const {
  const Hdf5Handle value = attribute(at, name);
  if (kind_of_one(value.id()) != Hdf5Kind::text)
    fail(code_, "{}: {}: attribute {} is not one text of fixed length", path_, at, name);
  const Hdf5Handle type(checked(H5Aget_type(value.id()), "reading a type", at), H5Tclose);
  const std::size_t length = H5Tget_size(type.id());
  if (length < 1 || length > longest_attribute)
    fail(code_, "{}: {}: attribute {} has {} bytes, at most {} are read", path_, at, name, length,
         longest_attribute);
  std::string bytes(length, '\0');
  checked(H5Aread(value.id(), type.id(), bytes.data()), "reading an attribute", at);
  return split_texts(bytes, length).front();
}

}  // namespace dfascale
