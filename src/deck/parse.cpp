// A deck's text into Settings, by the key table.
#include <toml++/toml.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "deck/deck.hpp"
#include "deck/reading.hpp"
#include "deck/take.hpp"

namespace dfascale {
namespace {

void take_section(Reading& reading, std::string_view section, const toml::table& table) {
  for (const auto& [name, node] : table) {
    const std::string where = at_line(reading.deck, name.source());
    if (const Key* key = find_key(section, name.str())) {
      take_value(reading, *key, plain_value(node), where);
    } else {
      reading.problem(where, "[{}] {}: unknown key{}", section, name.str(),
                      key_suggestion(section, name.str()));
    }
  }
}

void take_file(Reading& reading, std::string_view text) {
  toml::table root;
  check_toml_keys(text, reading.deck, Exit::usage);
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    fail(Exit::usage, "{}:{}:{}: not TOML: {}", reading.deck, at.line, at.column,
         error.description());
  }
  for (const auto& [name, node] : root) {
    const std::string where = at_line(reading.deck, name.source());
    const toml::table* table = node.as_table();
    if (!is_section(name.str())) {
      const auto suggestion = did_you_mean(name.str(), section_names());
      if (table) {
        reading.problem(where, "[{}]: unknown section{}; sections are {}", name.str(), suggestion,
                        fmt::join(section_names(), ", "));
      } else {
        reading.problem(where, "{}: a key outside any section{}", name.str(),
                        key_suggestion("", name.str()));
      }
    } else if (!table) {
      reading.problem(where, "{}: expected a section, [{}]", name.str(), name.str());
    } else {
      take_section(reading, name.str(), *table);
    }
  }
  sort_by_line(reading);
}

}  // namespace

std::string deck_text(const std::string& file) {
  if (std::filesystem::is_directory(file)) {
    fail(Exit::usage, "{}: is a folder; expected a deck (a TOML file)", file);
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) fail(Exit::usage, "cannot read the deck {}", system_reason(file));
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

Settings parse_deck(std::string_view toml, std::string_view name,
                    const std::vector<std::string>& overrides) {
  Reading reading{std::string(name), {}, {}};
  take_file(reading, toml);
  for (const std::string& text : overrides) take_override(reading, text);
  reading.stop_if_wrong();

  return settle(reading);
}

Settings read_deck(const std::string& file, const std::vector<std::string>& overrides) {
  return parse_deck(deck_text(file), file, overrides);
}

}  // namespace dfascale
