#include "io/hdf5_storage.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

#include "io/hdf5_library.hpp"

namespace dfascale {

namespace {

constexpr int most_dimensions = 8;

// The caller knows the file, the place in it and the exit code.
template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  fail(Exit::checkpoint, text, std::forward<Args>(args)...);
}

std::int64_t called(std::int64_t result, const char* doing) {
  if (result < 0) refuse("{} failed ({})", doing, hdf5_reason());
  return result;
}

bool is_one_of(hid_t type, std::initializer_list<hid_t> standard) {
  return std::any_of(standard.begin(), standard.end(),
                     [&](hid_t one) { return H5Tequal(type, one) > 0; });
}

bool is_standard_real(hid_t type) {
  return is_one_of(type, {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_IEEE_F32BE, H5T_IEEE_F64BE});
}

bool is_standard_integer(hid_t type) {
  return is_one_of(type, {H5T_STD_I64LE, H5T_STD_I32LE, H5T_STD_I16LE, H5T_STD_I8LE, H5T_STD_U64LE,
                          H5T_STD_U32LE, H5T_STD_U16LE, H5T_STD_U8LE, H5T_STD_I64BE, H5T_STD_I32BE,
                          H5T_STD_I16BE, H5T_STD_U64BE, H5T_STD_U32BE, H5T_STD_U16BE});
}

void take_type(hid_t dataset, Hdf5Storage& array) {
  const Hdf5Handle type(called(H5Dget_type(dataset), "reading the type"), H5Tclose);
  array.kind = standard_kind(type.id());
  if (array.kind == Hdf5Kind::other)
    refuse("holds neither IEEE or two's complement numbers nor texts of fixed length");
  const std::size_t size = H5Tget_size(type.id());
  if (size < 1 || size > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    refuse("its elements would have {} bytes", size);
  array.element_bytes = static_cast<std::int64_t>(size);
}

void take_shape(hid_t dataset, Hdf5Storage& array) {
  const Hdf5Handle space(called(H5Dget_space(dataset), "reading the shape"), H5Sclose);
  if (H5Sget_simple_extent_type(space.id()) == H5S_NULL) refuse("has no values");
  const auto rank = called(H5Sget_simple_extent_ndims(space.id()), "reading the shape");
  if (rank > most_dimensions)
    refuse("has {} dimensions, at most {} are read", rank, most_dimensions);
  std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
  called(H5Sget_simple_extent_dims(space.id(), sizes.data(), nullptr), "reading the shape");
  const auto most = static_cast<hsize_t>(std::numeric_limits<std::int64_t>::max());
  auto room = most / static_cast<hsize_t>(array.element_bytes);
  for (const hsize_t size : sizes) {
    if (size == 0) refuse("is empty: one of its dimensions is 0");
    if (size > room) refuse("has a shape that no memory holds");
    room /= size;
    array.shape.push_back(static_cast<std::int64_t>(size));
    array.elements *= static_cast<std::int64_t>(size);
  }
}

// ---- arrays without chunks

void check_contiguous(hid_t dataset, std::int64_t file_bytes, const Hdf5Storage& array) {
  const haddr_t place = H5Dget_offset(dataset);
  if (place == HADDR_UNDEF) refuse("its values are not in the file");
  const auto end = static_cast<hsize_t>(file_bytes);
  if (array.stored_bytes != array.bytes())
    refuse("its shape needs {} bytes, the file holds {}", array.bytes(), array.stored_bytes);
  if (place > end || static_cast<hsize_t>(array.bytes()) > end - place)
    refuse("its values would lie beyond the end of the file");
}

// ---- compressed arrays

/// How a chunk became what the file holds.
struct Chunks {
  std::vector<hsize_t> shape;
  std::int64_t bytes = 0;  ///< of a whole one, before its filters
  bool is_deflated = false;
  unsigned deflate_bit = 0;  ///< set in a chunk's mask where deflate gained nothing

  /// zlib's bound, and some room for other programs.
  std::int64_t most_bytes() const { return is_deflated ? bytes + bytes / 8 + 1024 : bytes; }
};

Chunks chunks_of(hid_t layout, const Hdf5Storage& array) {
  Chunks chunks;
  chunks.shape.resize(array.shape.size());
  const auto rank = static_cast<int>(array.shape.size());
  if (called(H5Pget_chunk(layout, rank, chunks.shape.data()), "reading the layout") != rank)
    refuse("its chunks have another number of dimensions");
  chunks.bytes = array.element_bytes;
  for (std::size_t i = 0; i < chunks.shape.size(); ++i) {
    if (chunks.shape[i] < 1 || chunks.shape[i] > static_cast<hsize_t>(array.shape[i]))
      refuse("its chunks are larger than itself");
    chunks.bytes *= static_cast<std::int64_t>(chunks.shape[i]);
  }
  const int filters = H5Pget_nfilters(layout);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    const auto filter = H5Pget_filter2(layout, static_cast<unsigned>(i), &flags, &values, nullptr,
                                       0, nullptr, &config);
    if (filter == H5Z_FILTER_DEFLATE && i + 1 == filters) {
      chunks.is_deflated = true;
      chunks.deflate_bit = 1U << static_cast<unsigned>(i);
    } else if (filter != H5Z_FILTER_SHUFFLE || i > 0) {
      refuse("is stored with filter {}; only shuffle, then deflate are read", filter);
    }
  }
  return chunks;
}

/// Frees what zlib keeps.
struct Inflation {
  z_stream stream{};
  Inflation() {
    if (inflateInit(&stream) != Z_OK) refuse("zlib cannot start");
  }
  Inflation(const Inflation&) = delete;
  Inflation& operator=(const Inflation&) = delete;
  ~Inflation() { inflateEnd(&stream); }
};

/// Whether compressed bytes become exactly so many, found out without room for them.
bool inflates_to(const std::string& packed, std::int64_t wanted) {
  Inflation inflation;
  z_stream& stream = inflation.stream;
  std::array<unsigned char, 64 << 10> out{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::int64_t got = 0;
  for (int result = Z_OK; result == Z_OK && got <= wanted;) {
    stream.next_out = out.data();
    stream.avail_out = out.size();
    result = inflate(&stream, Z_NO_FLUSH);
    got += static_cast<std::int64_t>(out.size() - stream.avail_out);
    if (result == Z_STREAM_END) return got == wanted;
  }
  return false;
}

void check_packed(hid_t dataset, const std::vector<hsize_t>& place, hsize_t size,
                  std::int64_t wanted) {
  std::string packed(size, '\0');
  std::uint32_t mask = 0;
  called(H5Dread_chunk(dataset, H5P_DEFAULT, place.data(), &mask, packed.data()),
         "reading a chunk");
  if (!inflates_to(packed, wanted))
    refuse("a chunk does not become {} bytes when it is uncompressed", wanted);
}

// Bytes of one chunk in the file.
std::int64_t check_chunk(hid_t dataset, const std::vector<hsize_t>& place, const Chunks& chunks,
                         std::int64_t file_bytes) {
  unsigned left_out = 0;
  haddr_t address = HADDR_UNDEF;
  hsize_t size = 0;
  called(H5Dget_chunk_info_by_coord(dataset, place.data(), &left_out, &address, &size),
         "looking up a chunk");
  const auto end = static_cast<hsize_t>(file_bytes);
  if (address == HADDR_UNDEF || size == 0) refuse("a chunk of it is missing");
  if (address > end || size > end - address) refuse("a chunk of it would lie beyond the end");
  if ((left_out & ~chunks.deflate_bit) != 0)
    refuse("a chunk of it is stored otherwise than the others");
  const bool is_packed = chunks.is_deflated && left_out == 0;
  if (size > static_cast<hsize_t>(chunks.most_bytes()) ||
      (!is_packed && size != static_cast<hsize_t>(chunks.bytes)))
    refuse("a chunk of {} bytes is stored in {}", chunks.bytes, size);
  if (is_packed) check_packed(dataset, place, size, chunks.bytes);
  return static_cast<std::int64_t>(size);
}

/// The place of the next chunk, row-major; false after the last.
bool advance(std::vector<hsize_t>& place, const Chunks& chunks, const Hdf5Storage& array) {
  for (std::size_t i = place.size(); i-- > 0;) {
    place[i] += chunks.shape[i];
    if (place[i] < static_cast<hsize_t>(array.shape[i])) return true;
    place[i] = 0;
  }
  return false;
}

// Every chunk must be there, so that a file has no more of them than it has room for.
std::int64_t check_chunks(hid_t dataset, hid_t layout, std::int64_t file_bytes,
                          const Hdf5Storage& array) {
  const Chunks chunks = chunks_of(layout, array);
  if (chunks.bytes > std::numeric_limits<std::int32_t>::max())
    refuse("has chunks of {} bytes", chunks.bytes);
  std::vector<hsize_t> place(array.shape.size(), 0);
  std::int64_t stored = 0;
  do {
    stored += check_chunk(dataset, place, chunks, file_bytes);
    if (stored > file_bytes) refuse("its chunks share their places");
  } while (advance(place, chunks, array));
  return stored;
}

}  // namespace

Hdf5Kind standard_kind(std::int64_t type) {
  switch (H5Tget_class(type)) {
    case H5T_FLOAT: return is_standard_real(type) ? Hdf5Kind::real : Hdf5Kind::other;
    case H5T_INTEGER: return is_standard_integer(type) ? Hdf5Kind::integer : Hdf5Kind::other;
    case H5T_STRING: return H5Tis_variable_str(type) == 0 ? Hdf5Kind::text : Hdf5Kind::other;
    default: return Hdf5Kind::other;
  }
}

Hdf5Storage check_storage(std::int64_t dataset, std::int64_t file_bytes) {
  Hdf5Storage array;
  take_type(dataset, array);
  take_shape(dataset, array);
  const Hdf5Handle layout(called(H5Dget_create_plist(dataset), "reading the layout"), H5Pclose);
  if (H5Pget_external_count(layout.id()) != 0) refuse("its values lie in another file");
  switch (H5Pget_layout(layout.id())) {
    case H5D_VIRTUAL: refuse("its values lie in other arrays (a virtual dataset)");
    case H5D_CHUNKED:
      array.stored_bytes = check_chunks(dataset, layout.id(), file_bytes, array);
      break;
    case H5D_CONTIGUOUS:
      array.stored_bytes = static_cast<std::int64_t>(H5Dget_storage_size(dataset));
      check_contiguous(dataset, file_bytes, array);
      break;
    case H5D_COMPACT:
      array.stored_bytes = static_cast<std::int64_t>(H5Dget_storage_size(dataset));
      if (array.stored_bytes != array.bytes()) refuse("its shape does not fit its values");
      break;
    default: refuse("is stored in a way that is not known");
  }
  return array;
}

}  // namespace dfascale
