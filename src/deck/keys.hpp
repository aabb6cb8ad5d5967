// The deck's keys as data: a row per key.  The parser, --help, docs/deck.md and the resolved deck
// all read this table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "deck/settings.hpp"

namespace dfascale {

/// A key's value in transit between TOML and Settings; enums travel as their word.
using Value = std::variant<bool, std::int64_t, double, std::string>;

/// What may be written for a key.
enum class Kind {
  flag,     ///< true or false
  whole,    ///< an integer
  count,    ///< an integer, or text with a unit: "30B", "2.5M", "64K"
  real,     ///< a number
  bytes,    ///< a number of bytes, or text with a unit: "8 GiB", "500MB"; empty text is 0
  seconds,  ///< a number of seconds, or text: "2h30m", "HH:MM:SS"
  word,     ///< one of a set of words
  text,     ///< any text
  name,     ///< letters, digits and . _ + -, so that it can name a folder (deck/names.hpp)
  restart,  ///< auto, required, never, a step, or a path
};

/// What numbers are allowed: least <= value <= most, without an end that is `open`.
struct Range {
  double least, most;
  enum class Open { none, least, most } open = Open::none;
};

struct Key {
  std::string_view section, name;
  Kind kind;
  std::optional<Value> fallback;     ///< the default; none: it follows from other keys
  std::string_view derived_default;  ///< what it follows from, for readers
  Range range;                       ///< for whole, count, bytes, real and seconds
  std::vector<std::string_view> words;
  std::string_view unit, help;
  Value (*read)(const Settings&);
  void (*write)(Settings&, const Value&);

  std::string path() const { return std::string(section) + "." + std::string(name); }
};

/// All keys, sections together, in the order in which decks are written.
const std::vector<Key>& deck_keys();
const Key* find_key(std::string_view section, std::string_view name);
bool is_section(std::string_view section);

/// "one of relu, gelu, tanh", "1 to 4096", "greater than 0, at most 1": for messages and the docs.
std::string allowed(const Key& key);
/// Why `value`, already of the right type, is not allowed; nothing if it is.
bool in_range(const Key& key, const Value& value);
/// As TOML writes it: 30000000000, 0.001, "text".
std::string to_toml(const Value& value);

/// The preset of rule.name; null if there is none of that name.
const Rule* find_rule(std::string_view name);
/// Why this key of [rule] does nothing under the chosen rule; empty if it does something.
std::string without_meaning(const Key& key, const Rule& rule);
/// The preset's name with a suffix for every [rule] key that differs from it: "dfa-logits".
std::string default_method(const Rule& rule);

}  // namespace dfascale
