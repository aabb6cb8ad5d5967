#include "io/safetensors.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/read_file.hpp"

namespace dfascale {

namespace {

static_assert(std::endian::native == std::endian::little, "values are written as they lie");

using Json = nlohmann::json;

constexpr std::int64_t length_bytes = 8;
constexpr std::int64_t alignment = 8;
constexpr std::int64_t most_header_bytes = 64 << 20;  // some 100,000 tensors
constexpr std::size_t longest_name = 255, most_dimensions = 8;
constexpr const char* metadata_key = "__metadata__";
constexpr const char* float_type = "F32";

std::string header_of(const std::vector<SafeTensor>& tensors, const Metadata& metadata) {
  nlohmann::ordered_json header = {{metadata_key, metadata}};
  std::int64_t begin = 0;
  for (const SafeTensor& tensor : tensors) {
    const std::int64_t end = begin + tensor.count() * static_cast<std::int64_t>(sizeof(float));
    header[tensor.name] = {
        {"dtype", float_type}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  // Blanks, so that the values behind it are aligned for those who map the file into memory.
  text.resize((text.size() + alignment - 1) / alignment * alignment, ' ');
  return text;
}

void read_at(int file, void* to, std::int64_t bytes, std::int64_t place, const std::string& path) {
  for (std::int64_t done = 0; done < bytes;) {
    const ssize_t got = ::pread(file, static_cast<char*>(to) + done, bytes - done, place + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(Exit::checkpoint, "cannot read {}", system_reason(path));
    if (got == 0) fail(Exit::checkpoint, "{}: ends before its header says", path);
    done += got;
  }
}

/// A tensor and the bytes of its values, counted from the end of the header.
struct Placed {
  SafeTensor tensor;
  std::int64_t begin, end;
};

[[noreturn]] void not_safetensors(const std::string& path, const std::string& why) {
  fail(Exit::checkpoint, "{}: not a safetensors file: {}", path, why);
}

// Elements of a shape that a file of so many bytes can hold; -1 if it cannot.
std::int64_t count_within(const std::vector<std::int64_t>& shape, std::int64_t most) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || (size > 0 && count > most / size)) return -1;
    count *= size;
  }
  return count;
}

bool is_plain(const std::string& name) {
  const auto is_odd = [](unsigned char c) { return c < ' ' || c == 127; };
  return name.size() <= longest_name && std::none_of(name.begin(), name.end(), is_odd);
}

// Whole numbers from 0; the JSON library would make such of 1e300 and -1 too.
std::vector<std::int64_t> counts_in(const Json& entry, const char* key) {
  std::vector<std::int64_t> counts;
  for (const Json& count : entry.at(key)) {
    if (!count.is_number_unsigned() || counts.size() == most_dimensions) return {-1};
    counts.push_back(count.get<std::int64_t>());
  }
  return counts;
}

Placed placed_from(const std::string& path, const std::string& name, const Json& entry,
                   std::int64_t data_bytes) try {
  if (!is_plain(name))
    not_safetensors(path, fmt::format("a tensor's name is longer than {} bytes or holds control "
                                      "characters",
                                      longest_name));
  const std::string type = entry.at("dtype").get<std::string>();
  if (type != float_type)
    fail(Exit::checkpoint, "{}: {} has type {}; only {} can be read", path, name, type, float_type);
  const auto places = counts_in(entry, "data_offsets");
  Placed placed{{name, counts_in(entry, "shape")}, 0, 0};
  const std::int64_t count = count_within(placed.tensor.shape, data_bytes);
  if (count < 0 || places.size() != 2 || places[0] < 0 || places[1] < places[0] ||
      places[1] > data_bytes ||
      places[1] - places[0] != count * static_cast<std::int64_t>(sizeof(float)))
    not_safetensors(path, fmt::format("shape and place of {} do not fit", name));
  placed.begin = places[0];
  placed.end = places[1];
  return placed;
} catch (const Json::exception& reason) {
  not_safetensors(path, fmt::format("{}: {}", name, reason.what()));
}

// The values must follow each other without gap or overlap, up to the end of the file.
void check_cover(const std::string& path, const std::vector<Placed>& all, std::int64_t data_bytes) {
  std::int64_t next = 0;
  for (const Placed& placed : all) {
    if (placed.begin != next)
      not_safetensors(path, fmt::format("{} begins at byte {} of the values, not at {}",
                                        placed.tensor.name, placed.begin, next));
    next = placed.end;
  }
  if (next != data_bytes)
    not_safetensors(path, fmt::format("{} bytes of values, the header says {}", data_bytes, next));
}

}  // namespace

std::int64_t SafeTensor::count() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path,
                                     const std::vector<SafeTensor>& tensors,
                                     const Metadata& metadata)
    : file_(path, Folder::of_user) {
  const std::string header = header_of(tensors, metadata);
  const std::uint64_t length = header.size();
  file_.write({reinterpret_cast<const char*>(&length), sizeof length});
  file_.write(header);
}

void SafetensorsWriter::append(const std::vector<float>& values) {
  file_.write({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

SafetensorsFile::SafetensorsFile(const std::string& path)
    : path_(path), file_(open_regular_file(path, Exit::checkpoint)) {
  const std::int64_t bytes = bytes_ = ::lseek(file_.number(), 0, SEEK_END);
  std::uint64_t length = 0;
  if (bytes < length_bytes) not_safetensors(path, "it has less than 8 bytes");
  read_at(file_.number(), &length, sizeof length, 0, path_);
  const auto most = std::min<std::int64_t>(bytes - length_bytes, most_header_bytes);
  if (length < 2 || length > static_cast<std::uint64_t>(most))
    not_safetensors(path, fmt::format("its header would have {} bytes of {}", length, bytes));
  std::string header(length, '\0');
  read_at(file_.number(), header.data(), static_cast<std::int64_t>(length), length_bytes, path_);
  take_header(header, bytes - length_bytes - static_cast<std::int64_t>(length));
}

void SafetensorsFile::take_header(const std::string& header, std::int64_t data_bytes) {
  const Json json = parse_large_json(header, path_ + ": header", Exit::checkpoint);
  if (!json.is_object()) not_safetensors(path_, "its header is not a JSON object");
  std::vector<Placed> all;
  for (const auto& [name, entry] : json.items()) {
    if (name != metadata_key) all.push_back(placed_from(path_, name, entry, data_bytes));
    else if (!entry.is_object()) not_safetensors(path_, "its metadata are not a JSON object");
    else
      for (const auto& [key, value] : entry.items())
        if (value.is_string()) metadata_[key] = value.get<std::string>();
        else
          not_safetensors(path_, fmt::format("its metadata {} are not a text", Json(key).dump()));
  }
  std::stable_sort(all.begin(), all.end(), [](const Placed& a, const Placed& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_cover(path_, all, data_bytes);
  for (Placed& placed : all) {
    tensors_.push_back(std::move(placed.tensor));
    places_.push_back(length_bytes + static_cast<std::int64_t>(header.size()) + placed.begin);
  }
}

std::vector<float> SafetensorsFile::read(std::size_t tensor) const {
  std::vector<float> values(tensors_.at(tensor).count());
  read_at(file_.number(), values.data(), static_cast<std::int64_t>(values.size() * sizeof(float)),
          places_.at(tensor), path_);
  return values;
}

}  // namespace dfascale
