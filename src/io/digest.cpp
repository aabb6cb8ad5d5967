#include "io/digest.hpp"

#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/read_file.hpp"
#include "io/files.hpp"

namespace dfascale {

namespace {

constexpr std::int64_t piece_bytes = 64 << 20;
constexpr std::int64_t read_bytes = 1 << 20;
constexpr std::size_t words_per_piece = 4;  // SHA-256 is 256 bits
constexpr std::string_view title = "dfascale digest 1: sha256 of pieces of ";
using Sha = std::array<std::uint64_t, words_per_piece>;

Sha sha256_of(int file, std::int64_t first, std::int64_t count, const std::string& path) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  std::vector<char> buffer(std::min(read_bytes, std::max<std::int64_t>(count, 1)));
  bool good = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  for (std::int64_t done = 0; good && done < count;) {
    const std::int64_t wanted = std::min<std::int64_t>(count - done, buffer.size());
    const ssize_t got = ::pread(file, buffer.data(), wanted, first + done);
    if (got < 0) fail(Exit::checkpoint, "cannot read {}", system_reason(path));
    if (got == 0) fail(Exit::checkpoint, "{}: became shorter while it was read", path);
    good = EVP_DigestUpdate(context.get(), buffer.data(), got) == 1;
    done += got;
  }
  unsigned char result[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (!good || EVP_DigestFinal_ex(context.get(), result, &length) != 1 || length != sizeof(Sha))
    fail(Exit::device, "libcrypto cannot compute SHA-256");
  Sha sha;
  std::memcpy(sha.data(), result, sizeof sha);
  return sha;
}

std::string hex(const Sha& sha) {
  unsigned char bytes[sizeof sha];
  std::memcpy(bytes, sha.data(), sizeof sha);
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::int64_t length_of(const std::string& path) {
  struct stat about {};
  const FileDescriptor file = open_regular_file(path, Exit::checkpoint);
  if (::fstat(file.number(), &about) != 0)
    fail(Exit::checkpoint, "cannot read {}", system_reason(path));
  return about.st_size;
}

// Piece i is the work of rank i % size; each rank fills the slots of its own pieces.
std::vector<std::uint64_t> own_pieces(const std::string& path, std::int64_t bytes,
                                      std::int64_t slots, const WriterRanks& ranks) {
  std::vector<std::uint64_t> words(slots * words_per_piece);
  const FileDescriptor file = open_regular_file(path, Exit::checkpoint);
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t first = (slot * ranks.size() + ranks.rank()) * piece_bytes;
    if (first >= bytes) break;
    const Sha sha = sha256_of(file.number(), first, std::min(piece_bytes, bytes - first), path);
    std::copy(sha.begin(), sha.end(), words.begin() + slot * words_per_piece);
  }
  return words;
}

// "1234 bytes", the second line of a digest; empty if the text is none.
std::string length_in(const std::string& digest) {
  constexpr std::string_view digits = "0123456789", unit = " bytes\n";
  const std::size_t number = digest.find('\n') + 1;
  const std::size_t end = digest.find_first_not_of(digits, number);
  const bool is_length = digest.starts_with(title) && end != std::string::npos && end > number &&
                         end - number < 20 && digest.compare(end, unit.size(), unit) == 0;
  return is_length ? digest.substr(number, end + unit.size() - 1 - number) : "";
}

// What differs between the digest as stored and as it is now.
std::string difference(const std::string& path, const std::string& stored,
                       const std::string& found) {
  const std::string then = length_in(stored), now = length_in(found);
  if (then.empty())
    return fmt::format("{}.digest: not a digest of dfascale: expected \"{}...\" and a length", path,
                       title);
  if (then != now) return fmt::format("{}: the file has {}, its digest says {}", path, now, then);
  return fmt::format("{}: the content does not match its digest", path);
}

void read_digests(const std::string& file, std::string& stored, std::string& staged) {
  length_of(file);
  const bool has_stored = exists(file + ".digest"), has_staged = exists(file + ".digest.new");
  if (has_stored) stored = read_small_file(file + ".digest", Exit::checkpoint);
  if (has_staged) staged = read_small_file(file + ".digest.new", Exit::checkpoint);
  if (!has_stored && !has_staged)
    fail(Exit::checkpoint,
         "{}: not a checkpoint, or copied without its digest: {}.digest is missing", file, file);
}

bool is_missing(const std::string& file) {
  struct stat about {};
  return ::lstat(file.c_str(), &about) != 0 && errno == ENOENT;
}

}  // namespace

std::string digest_of(const std::string& file, const WriterRanks& ranks) {
  std::int64_t bytes = 0, slots = 0;
  std::vector<std::uint64_t> words;
  together(ranks, Exit::checkpoint, [&] { bytes = length_of(file); });
  bytes = std::stoll(ranks.from_first(std::to_string(bytes)));
  const std::int64_t pieces = (bytes + piece_bytes - 1) / piece_bytes;
  slots = (pieces + ranks.size() - 1) / ranks.size();
  together(ranks, Exit::checkpoint, [&] { words = own_pieces(file, bytes, slots, ranks); });
  const auto all = ranks.gather(words);
  std::string text = fmt::format("{}{} bytes\n{} bytes\n", title, piece_bytes, bytes);
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    const std::int64_t slot = piece % ranks.size() * slots + piece / ranks.size();
    Sha sha;
    std::copy_n(all.begin() + slot * words_per_piece, words_per_piece, sha.begin());
    text += hex(sha) + "\n";
  }
  return text;
}

Finding examine(const std::string& file, const WriterRanks& ranks) {
  try {
    std::string stored, staged;
    on_first(ranks, Exit::checkpoint, [&] { read_digests(file, stored, staged); });
    stored = ranks.from_first(stored);
    staged = ranks.from_first(staged);
    const std::string found = digest_of(file, ranks);
    if (found == stored || found == staged) return {Condition::good, ""};
    return {Condition::damaged, difference(file, stored.empty() ? staged : stored, found)};
  } catch (const Error& error) {
    const bool is_gone = ranks.from_first(is_missing(file) ? "gone" : "") == "gone";
    return {is_gone ? Condition::gone : Condition::unreadable, error.what()};
  }
}

std::optional<std::string> damage_of(const std::string& file, const WriterRanks& ranks) {
  const Finding finding = examine(file, ranks);
  return finding.condition == Condition::good ? std::nullopt : std::optional(finding.reason);
}

void stage_digest(const std::string& file, const std::string& digest) {
  write_atomically(file + ".digest.new", digest);
}

void settle_digest(const std::string& file) { rename_over(file + ".digest.new", file + ".digest"); }

void move_digest(const std::string& file, const std::string& to) {
  for (const char* ending : {".digest", ".digest.new"})
    if (exists(file + ending)) rename_over(file + ending, to + ending);
}

void remove_digest(const std::string& file) {
  remove_file(file + ".digest");
  remove_file(file + ".digest.new");
}

}  // namespace dfascale
