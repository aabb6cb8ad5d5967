#include "base/utf8.hpp"

#include <cstring>

namespace dfascale {
namespace {

/// Length of the well-formed character at the start of [at, at + left), or 0.
std::size_t character_length(const unsigned char* at, std::size_t left) {
  const unsigned char first = at[0];
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                             : first >= 0xe0 && first <= 0xef ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || length > left) return 0;
  unsigned char low = 0x80, high = 0xbf;  // what the second byte may be
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  if (at[1] < low || at[1] > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((at[i] & 0xc0) != 0x80) return 0;
  return length;
}

}  // namespace

std::int64_t first_invalid_utf8(std::string_view text) {
  const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t i = 0;
  while (i < text.size()) {
    std::uint64_t eight = 0;
    while (i + 8 <= text.size()) {  // most text is ASCII: eight bytes at a time
      std::memcpy(&eight, begin + i, 8);
      if (eight & 0x8080808080808080ull) break;
      i += 8;
    }
    if (i == text.size()) break;
    const std::size_t length = character_length(begin + i, text.size() - i);
    if (length == 0) return static_cast<std::int64_t>(i);
    i += length;
  }
  return -1;
}

Character first_character(std::string_view text) {
  const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
  const std::size_t length = character_length(begin, text.size());
  if (length < 2) return {begin[0], length};
  char32_t code = begin[0] & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) code = code << 6 | (begin[i] & 0x3fu);
  return {code, length};
}

std::size_t whole_characters(std::string_view text) {
  for (std::size_t back = 1; back <= 4 && back <= text.size(); ++back) {
    const char first = text[text.size() - back];
    if ((first & 0xc0) == 0x80) continue;
    return character_bytes(first) <= back ? text.size() : text.size() - back;
  }
  return text.size();
}

}  // namespace dfascale
