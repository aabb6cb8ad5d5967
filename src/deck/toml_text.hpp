// TOML that somebody else may have written: decks, studies, machines, values of --set.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "deck/toml.hpp"

namespace dfascale {

/// The largest deck, study or machine.
constexpr std::int64_t most_deck_bytes = 4 << 20;

/// Parses TOML.  Throws Error(Exit::usage) with line, column and reason; `name` is the file's.
toml::table parse_toml(std::string_view text, const std::string& name);

/// Parses "KEY = VALUE" for one value; nothing where that is not TOML, or more than one value.
std::unique_ptr<toml::node> parse_toml_value(const std::string& value);

}  // namespace dfascale
