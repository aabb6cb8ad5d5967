// Files known by their first bytes: one table for prepare's texts and for token files, with what to
// do about each.
#pragma once

#include <cstdint>
#include <string_view>

namespace dfascale {

/// kind_of() looks at no more of a file.
inline constexpr std::int64_t most_signature_bytes = 512;

enum class Packing { none, gzip, zstandard };

/// Whether plain uint16 tokens may begin with the same bytes by chance.
enum class MayBe { nothing_else, tokens_too };

struct FileKind {
  std::string_view signature;
  std::size_t at;         ///< bytes before the signature
  const char* name;       ///< "a zip archive"
  const char* as_text;    ///< what to do where text was expected
  const char* as_tokens;  ///< what to do where tokens were expected
  MayBe may_be = MayBe::nothing_else;
  Packing packing = Packing::none;  ///< what prepare unpacks by itself
  unsigned char first_mask = 0xff;  ///< bits of the signature's first byte that count
};

/// The kind of a file that begins with these bytes; none if the table has none that fits.
const FileKind* kind_of(std::string_view start);

/// Whether bytes look like UTF-16 or UTF-32 without a byte-order mark; none if not.
const FileKind* wide_text_in(std::string_view start);

}  // namespace dfascale
