// Checking UTF-8, and places where a text may be cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dfascale {

/// Offset of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7: no
/// surrogates, nothing overlong, nothing above U+10FFFF), or -1.
std::int64_t first_invalid_utf8(std::string_view text);

/// A character of a text: its code point, and the bytes that hold it.
struct Character {
  char32_t code;
  std::size_t bytes;
};
/// The character at the start of a text that is not empty; of no bytes where they are not
/// well-formed UTF-8.
Character first_character(std::string_view text);

/// Bytes of the character that begins with this byte, in well-formed text.
constexpr std::size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/// The largest cut <= text.size() that does not divide a character, looking back a few bytes only.
std::size_t whole_characters(std::string_view text);

}  // namespace dfascale
