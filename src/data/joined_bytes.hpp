// Between which bytes of a text a token may lie: where none can, the text may be cut, and both
// parts have the tokens of the whole.
#pragma once

#include <bitset>
#include <string_view>

namespace dfascale {

class JoinedBytes {
 public:
  /// Adds the pairs of neighbours in a piece of the vocabulary, its spaces written as spaces.
  void add(std::string_view piece) {
    for (std::size_t i = 1; i < piece.size(); ++i) pairs_.set(place(piece[i - 1], piece[i]));
  }
  /// Whether some piece has `b` behind `a`.
  bool are_joined(char a, char b) const { return pairs_.test(place(a, b)); }
  /// Whether some piece goes on behind a newline, so that lines depend on each other.
  bool joins_lines() const { return any_behind('\n'); }
  /// Whether some piece crosses from one unit of words.hpp into the next.
  bool joins_words() const;

 private:
  static std::size_t place(char a, char b) {
    return std::size_t{static_cast<unsigned char>(a)} << 8 | static_cast<unsigned char>(b);
  }
  bool any_behind(char a) const;

  std::bitset<65536> pairs_;
};

inline bool JoinedBytes::any_behind(char a) const {
  for (int b = 0; b < 256; ++b)
    if (are_joined(a, static_cast<char>(b))) return true;
  return false;
}

inline bool JoinedBytes::joins_words() const {
  for (int a = 0; a < 256; ++a) {
    const char before = static_cast<char>(a);
    if (are_joined(before, '\n') || (before != ' ' && are_joined(before, ' '))) return true;
  }
  return joins_lines();
}

}  // namespace dfascale
