// A deck's text into Settings, by the key table.
#include <filesystem>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "deck/deck.hpp"
#include "deck/reading.hpp"
#include "deck/take.hpp"
#include "deck/toml_text.hpp"

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
  const toml::table root = parse_toml(text, reading.deck);
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
  std::error_code reading_says_it;
  if (std::filesystem::is_directory(file, reading_says_it)) {
    fail(Exit::usage, "{}: is a folder; expected a deck (a TOML file)", file);
  }
  return read_small_file_or_pipe(file, Exit::usage, most_deck_bytes);
}

Settings parse_deck(std::string_view toml, std::string_view name,
                    const std::vector<std::string>& overrides) {
  Reading reading{std::string(name), {}, {}};
  take_file(reading, toml);
  for (const std::string& text : overrides)
    if (const auto given = override_of(reading, text)) take_override(reading, *given);
  reading.stop_if_wrong();

  return settle(reading);
}

Settings read_deck(const std::string& file, const std::vector<std::string>& overrides) {
  return parse_deck(deck_text(file), file, overrides);
}

}  // namespace dfascale
