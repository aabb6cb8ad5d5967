// The units of text that no token crosses: a newline, or a run of spaces with the word behind it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace dfascale {

/// Calls each(unit) for all units of a text in order; put together they are the text.
template <class Each>
void for_each_word(std::string_view text, const Each& each) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const char* to = at;
    if (*to == '\n') {
      ++to;
    } else {
      while (to < end && *to == ' ') ++to;
      while (to < end && *to != ' ' && *to != '\n') ++to;
    }
    each(std::string_view(at, static_cast<std::size_t>(to - at)));
    at = to;
  }
}

/// The same for lines: each without its newline, the newlines as units of their own.
template <class Each>
void for_each_line(std::string_view text, const Each& each) {
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    if (newline != 0) each(text.substr(0, newline));
    if (newline == std::string_view::npos) return;
    each(text.substr(newline, 1));
    text.remove_prefix(newline + 1);
  }
}

/// A quick 64-bit hash of a short text, for tables in memory only.
inline std::uint64_t hash_word(std::string_view word) {
  std::uint64_t hash = 0x9e3779b97f4a7c15ull ^ word.size();
  const auto mix = [&hash](std::uint64_t value) {
    hash = (hash ^ value) * 0xff51afd7ed558ccdull;
    hash ^= hash >> 32;
  };
  while (word.size() >= 8) {
    std::uint64_t eight;
    std::memcpy(&eight, word.data(), 8);
    mix(eight);
    word.remove_prefix(8);
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, word.data(), word.size());
  mix(rest);
  return hash;
}

}  // namespace dfascale
