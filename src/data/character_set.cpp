#include "data/character_set.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "base/utf8.hpp"

namespace dfascale {
namespace {

constexpr double coverage = 0.9995;  // of the text, as SentencePiece's own default

bool may_be_learned(std::string_view character) {
  return static_cast<unsigned char>(character[0]) >= 0x20 && character != "\x7f" &&
         character != "\xe2\x96\x81";
}

/// Calls each(character) for the characters of a well-formed text.
template <class Each>
void for_each_character(std::string_view text, const Each& each) {
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text[0]);
    each(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
}

}  // namespace

CharacterSet::CharacterSet(const std::vector<CountedWord>& words, std::int64_t most) : kept_{" "} {
  std::map<std::string, std::int64_t, std::less<>> counts;
  std::int64_t total = 0;
  for (const auto& [word, count] : words)
    for_each_character(word, [&, count = count](std::string_view character) {
      if (!may_be_learned(character)) return;
      const auto found = counts.find(character);
      if (found != counts.end()) found->second += count;
      else counts.emplace(character, count);
      total += count;
    });
  std::vector<CountedWord> sorted(counts.begin(),
                                  counts.end());  // ties stay in the order of the bytes
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const CountedWord& a, const CountedWord& b) { return a.second > b.second; });
  std::int64_t covered = 0;
  for (const auto& [character, count] : sorted) {
    if (static_cast<std::int64_t>(kept_.size()) >= most) break;
    if (static_cast<double>(covered) >= coverage * static_cast<double>(total)) break;
    kept_.insert(character);
    covered += count;
  }
}

std::vector<CountedWord> CharacterSet::keep(const std::vector<CountedWord>& words) const {
  std::unordered_map<std::string, std::int64_t> counts;
  std::string part;
  for (const auto& [word, count] : words) {
    const auto finish = [&, count = count] {
      if (!part.empty()) counts[part] += count;
      part.clear();
    };
    for_each_character(word, [&](std::string_view character) {
      if (kept_.contains(std::string(character))) part += character;
      else finish();
    });
    finish();
  }
  return {counts.begin(), counts.end()};
}

}  // namespace dfascale
