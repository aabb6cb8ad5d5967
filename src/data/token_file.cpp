// Opening, checking and reading one token file.
#include "data/token_file.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "data/file_kind.hpp"

namespace dfascale {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

constexpr const char* prepare_again = "make it again with dfascale prepare";

FileIdentity identity_of_open(int file, const std::string& path) {
  struct stat status {};
  if (::fstat(file, &status) != 0) fail(Exit::data, "cannot read {}", system_reason(path));
  return identity_of(status);
}

/// A file whose first number is not llm.c's.
[[noreturn]] void fail_other_format(const std::string& path, std::string_view start,
                                    std::int32_t magic) {
  if (const FileKind* kind = kind_of(start))
    fail(Exit::data, "{}: expected a token file of llm.c, this is {}; {}", path, kind->name,
         kind->as_tokens);
  fail(Exit::data,
       "{}: not a token file of llm.c: its first number is {} instead of {}; a file of plain "
       "uint16 tokens (nanoGPT) is read with data.format = \"raw\", text is first turned into "
       "tokens by dfascale prepare",
       path, magic, token_file_magic);
}

}  // namespace

TokenFile::TokenFile(std::string path, TokenFormat format, Descriptors descriptors)
    : path_(std::move(path)) {
  FileDescriptor file = open_regular_file(path_, Exit::data);
  identity_ = identity_of_open(file.number(), path_);
  if (identity_.bytes == 0) fail(Exit::data, "{}: the file is empty; {}", path_, prepare_again);
  if (format == TokenFormat::llmc) check_header(file.number());
  else check_raw(file.number());
  if (descriptors == Descriptors::kept) kept_ = std::move(file);
}

void TokenFile::check_header(int file) {
  std::int32_t header[3] = {};  // magic, version, count
  char start[most_signature_bytes] = {};
  const std::int64_t bytes = identity_.bytes, read = std::min(bytes, most_signature_bytes);
  read_bytes(file, 0, read, start);
  std::memcpy(header, start, static_cast<std::size_t>(std::min<std::int64_t>(bytes, 12)));
  if (header[0] != token_file_magic)
    fail_other_format(path_, {start, static_cast<std::size_t>(read)}, header[0]);
  if (bytes < token_file_header_bytes)
    fail(Exit::data, "{}: cut off: {} bytes, the header alone has {}; copy or make the file again",
         path_, bytes, token_file_header_bytes);
  if (header[1] != token_file_version)
    fail(Exit::data, "{}: token file of version {}, expected version {}: uint16 tokens; {}", path_,
         header[1], token_file_version, prepare_again);
  if (header[2] <= 0)
    fail(Exit::data, "{}: the header counts {} tokens, expected at least 1", path_, header[2]);
  const std::int64_t expected = token_file_header_bytes + 2 * static_cast<std::int64_t>(header[2]);
  if (bytes != expected)
    fail(Exit::data,
         "{}: {}: {} bytes found, {} expected for the {} tokens that its header counts; copy or "
         "make the file again",
         path_, bytes < expected ? "cut off" : "too long", bytes, expected, header[2]);
  tokens_at_ = token_file_header_bytes;
  size_ = header[2];
}

void TokenFile::check_raw(int file) {
  char start[most_signature_bytes] = {};
  const std::int64_t read = std::min(identity_.bytes, most_signature_bytes);
  read_bytes(file, 0, read, start);
  const FileKind* kind = kind_of({start, static_cast<std::size_t>(read)});
  if (kind && kind->may_be == MayBe::nothing_else)
    fail(Exit::data, "{}: expected a file of uint16 tokens without a header, this is {}; {}", path_,
         kind->name, kind->as_tokens);
  if (identity_.bytes % 2 != 0)
    fail(Exit::data,
         "{}: {} bytes, an odd number: not a file of uint16 tokens, or cut off; copy or make it "
         "again",
         path_, identity_.bytes);
  size_ = identity_.bytes / 2;
}

/// The same file as at the start: one that was put in its place is refused.
FileDescriptor TokenFile::open_again() const {
  FileDescriptor file = open_regular_file(path_, Exit::data);
  const FileIdentity now = identity_of_open(file.number(), path_);
  if (now.device != identity_.device || now.inode != identity_.inode)
    fail(Exit::data,
         "{}: another file has been put in its place since it was opened; put the old one back and "
         "start again",
         path_);
  return file;
}

void TokenFile::read_bytes(int file, std::int64_t place, std::int64_t bytes, char* out) const {
  while (bytes > 0) {
    const ssize_t got = ::pread(file, out, static_cast<std::size_t>(bytes), place);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(Exit::data, "cannot read byte {} of {}", place, system_reason(path_));
    if (got == 0)
      fail(
          Exit::data,
          "{}: cut short since it was opened: it had {} bytes then and has {} now; copy or make it "
          "again, then start again",
          path_, identity_.bytes, identity_of_open(file, path_).bytes);
    place += got, bytes -= got, out += got;
  }
}

void TokenFile::read(std::int64_t first, std::int64_t count, std::uint16_t* out) const {
  const FileDescriptor again = kept_.number() < 0 ? open_again() : FileDescriptor();
  const int file = kept_.number() < 0 ? again.number() : kept_.number();
  read_bytes(file, tokens_at_ + 2 * first, 2 * count, reinterpret_cast<char*>(out));
}

FileIdentity TokenFile::identity_now() const {
  if (kept_.number() >= 0) return identity_of_open(kept_.number(), path_);
  return identity_of_open(open_again().number(), path_);
}

}  // namespace dfascale
