// Mapping and checking one token file.
#include "data/token_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <utility>

#include "base/error.hpp"

namespace dfascale {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

/// Closes the descriptor on every way out; the mapping stays.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (value_ < 0) fail(Exit::data, "cannot read the token file {}", system_reason(path));
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }

 private:
  int value_;
};

}  // namespace

TokenFile::TokenFile(std::string path, TokenFormat format) : path_(std::move(path)) {
  map();
  try {
    if (format == TokenFormat::llmc) check_header();
    else check_raw();
  } catch (...) {
    ::munmap(memory_,
             static_cast<std::size_t>(bytes_));  // no destructor runs for a failed constructor
    throw;
  }
}

TokenFile::~TokenFile() {
  if (memory_) ::munmap(memory_, static_cast<std::size_t>(bytes_));
}

TokenFile::TokenFile(TokenFile&& other) noexcept
    : path_(std::move(other.path_)),
      memory_(std::exchange(other.memory_, nullptr)),
      bytes_(other.bytes_),
      tokens_(other.tokens_),
      size_(other.size_) {}

TokenFile& TokenFile::operator=(TokenFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  std::swap(tokens_, other.tokens_);
  std::swap(size_, other.size_);
  return *this;
}

void TokenFile::map() {
  const Descriptor file(path_);
  struct stat status {};
  if (::fstat(file.value(), &status) != 0) fail(Exit::data, "{}", system_reason(path_));
  if (!S_ISREG(status.st_mode))
    fail(Exit::data, "{}: expected a file of tokens, found a folder or device", path_);
  bytes_ = status.st_size;
  if (bytes_ == 0)
    fail(Exit::data, "{}: the file is empty; make it again with dfascale prepare", path_);
  void* memory =
      ::mmap(nullptr, static_cast<std::size_t>(bytes_), PROT_READ, MAP_SHARED, file.value(), 0);
  if (memory == MAP_FAILED) fail(Exit::data, "cannot map {}", system_reason(path_));
  memory_ = memory;
}

void TokenFile::check_header() {
  std::int32_t header[3] = {};  // magic, version, count
  std::memcpy(header, memory_, static_cast<std::size_t>(bytes_ < 12 ? bytes_ : 12));
  if (header[0] != token_file_magic)
    fail(Exit::data,
         "{}: not a token file of llm.c: its first number is {} instead of {}; a file of plain "
         "uint16 "
         "tokens (nanoGPT) is read with data.format = \"raw\", text is first turned into tokens by "
         "dfascale prepare",
         path_, header[0], token_file_magic);
  if (bytes_ < token_file_header_bytes)
    fail(Exit::data, "{}: cut off: {} bytes, the header alone has {}; copy or make the file again",
         path_, bytes_, token_file_header_bytes);
  if (header[1] != token_file_version)
    fail(Exit::data,
         "{}: token file of version {}, expected version {}: uint16 tokens; make it again with "
         "dfascale "
         "prepare",
         path_, header[1], token_file_version);
  if (header[2] <= 0)
    fail(Exit::data, "{}: the header counts {} tokens, expected at least 1", path_, header[2]);
  const std::int64_t expected = token_file_header_bytes + 2 * static_cast<std::int64_t>(header[2]);
  if (bytes_ != expected)
    fail(Exit::data,
         "{}: {}: {} bytes found, {} expected for the {} tokens that its header counts; copy or "
         "make "
         "the file again",
         path_, bytes_ < expected ? "cut off" : "too long", bytes_, expected, header[2]);
  tokens_ = reinterpret_cast<const std::uint16_t*>(static_cast<const char*>(memory_) +
                                                   token_file_header_bytes);
  size_ = header[2];
}

void TokenFile::check_raw() {
  std::int32_t magic = 0;
  std::memcpy(&magic, memory_, static_cast<std::size_t>(bytes_ < 4 ? bytes_ : 4));
  if (magic == token_file_magic)
    fail(Exit::data,
         "{}: has the header of llm.c's token files; read it with data.format = \"llmc\"", path_);
  if (bytes_ % 2 != 0)
    fail(Exit::data,
         "{}: {} bytes, an odd number: not a file of uint16 tokens, or cut off; copy or make it "
         "again",
         path_, bytes_);
  tokens_ = static_cast<const std::uint16_t*>(memory_);
  size_ = bytes_ / 2;
}

}  // namespace dfascale
