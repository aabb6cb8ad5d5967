// Taking values from TOML into a Reading, and a Reading into Settings: what decks and studies
// share.
#pragma once

#include "deck/reading.hpp"
#include "deck/toml.hpp"

namespace dfascale {

/// "; did you mean \"width\"?", or nothing where no known word is near.
std::string did_you_mean(std::string_view typed, const std::vector<std::string_view>& known);
/// The same for a key that its section does not have: a near one there, or the same name elsewhere.
std::string key_suggestion(std::string_view section, std::string_view name);
std::vector<std::string_view> section_names();

/// "FILE:LINE"
std::string at_line(const std::string& file, const toml::source_region& source);

/// A TOML value as a Value; times (12:30:00 without quotes) as text; nothing for arrays, tables and
/// dates.
std::optional<Value> plain_value(const toml::node& node);
/// Converts and keeps a key's value, or notes what is wrong with it.
void take_value(Reading& reading, const Key& key, const std::optional<Value>& written,
                const std::string& place);
/// A --set taken apart; spaces around its parts do not count.
struct Override {
  std::string section, name, value;
  std::string place;  ///< "--set section.name"
};
/// Nothing, and a problem, where it is not section.key=value.
std::optional<Override> override_of(Reading& reading, const std::string& text);
/// Keeps the value of an override; of several for one key the last one counts.
void take_override(Reading& reading, const Override& given);
/// Problems in the order of the file's lines; for those that begin with "FILE:LINE".
void sort_by_line(Reading& reading);

/// What was given, and defaults for the rest, checked together.  Throws Error(Exit::usage) with all
/// problems.
Settings settle(Reading& reading);

}  // namespace dfascale
