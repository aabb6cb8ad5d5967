// Which characters get tokens of their own: the frequent ones.  All others are spelled in bytes.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace dfascale {

using CountedWord = std::pair<std::string, std::int64_t>;

class CharacterSet {
 public:
  /// At most `most` characters that make up 99.95 % of the text, space among them; never controls,
  /// and not U+2581, which in a piece would mean a space.
  CharacterSet(const std::vector<CountedWord>& words, std::int64_t most);

  /// The words without other characters: each such character ends one word and begins another.
  std::vector<CountedWord> keep(const std::vector<CountedWord>& words) const;

 private:
  std::unordered_set<std::string> kept_;
};

}  // namespace dfascale
