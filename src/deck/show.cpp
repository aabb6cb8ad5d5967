// Settings and the key table as text: the resolved deck, the reference, differences between two
// runs.
#include <fmt/format.h>

#include <cmath>

#include "deck/deck.hpp"
#include "deck/keys.hpp"

namespace dfascale {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += fmt::format("\\{}", c);
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// Shortest text that reads back as the same number, and as a float in TOML.
std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string limit_text(double limit) {
  const bool is_plain = limit == std::floor(limit) && std::fabs(limit) < 1e7;
  return is_plain ? fmt::format("{}", static_cast<std::int64_t>(limit)) : fmt::format("{}", limit);
}

bool is_number(Kind kind) {
  return kind == Kind::whole || kind == Kind::count || kind == Kind::bytes || kind == Kind::real ||
         kind == Kind::seconds;
}

std::string range_text(const Range& range) {
  if (range.least == range.most) return "only " + limit_text(range.least);
  std::string text;
  if (std::isfinite(range.least)) {
    const bool open = range.open == Range::Open::least;
    text = (open ? "greater than " : "at least ") + limit_text(range.least);
  }
  if (std::isfinite(range.most)) {
    const bool open = range.open == Range::Open::most;
    text += (text.empty() ? "" : ", ") + std::string(open ? "less than " : "at most ");
    text += limit_text(range.most);
  }
  return text;
}

std::string kind_text(Kind kind) {
  switch (kind) {
    case Kind::flag: return "true or false";
    case Kind::whole: return "an integer";
    case Kind::count: return "an integer or text with a unit (\"30B\", \"2.5M\", \"64K\")";
    case Kind::bytes: return "an integer or text with a unit (\"8 GiB\", \"500 MB\", \"64KiB\")";
    case Kind::real: return "a number";
    case Kind::seconds: return "seconds or text (\"2h30m\", \"HH:MM:SS\")";
    case Kind::word: return "one of";
    case Kind::text: return "text";
    case Kind::name: return "letters, digits (of any script) and . _ + -, not beginning with a dot";
    case Kind::restart: return "auto, required, never, a step, or a path (with a / in it)";
  }
  return "";
}

std::string default_text(const Key& key) {
  return key.fallback ? to_toml(*key.fallback) : std::string(key.derived_default);
}

}  // namespace

std::string to_toml(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
  if (const auto* real = std::get_if<double>(&value)) return real_text(*real);
  return quoted(std::get<std::string>(value));
}

std::string allowed(const Key& key) {
  std::string text = kind_text(key.kind);
  if (key.kind == Kind::word) return text + fmt::format(" {}", fmt::join(key.words, ", "));
  if (is_number(key.kind)) text += ", " + range_text(key.range);
  return text;
}

bool in_range(const Key& key, const Value& value) {
  if (!is_number(key.kind)) return true;
  const auto* whole = std::get_if<std::int64_t>(&value);
  const double number = whole ? static_cast<double>(*whole) : std::get<double>(value);
  if (!std::isfinite(number)) return false;
  const Range& range = key.range;
  if (range.open == Range::Open::least && number <= range.least) return false;
  if (range.open == Range::Open::most && number >= range.most) return false;
  return number >= range.least && number <= range.most;
}

std::string show_deck(const Settings& settings) {
  std::string text =
      "# A dfascale deck with every default written out; docs/deck.md explains the keys.\n";
  std::string_view section;
  for (const Key& key : deck_keys()) {
    if (key.section != section) text += fmt::format("\n[{}]\n", key.section);
    section = key.section;
    const std::string unit = key.unit.empty() ? "" : fmt::format(" [{}]", key.unit);
    text += fmt::format("# {}{}\n", key.help, unit);
    const std::string nothing = without_meaning(key, settings.rule);
    if (nothing.empty()) {
      text += fmt::format("{} = {}\n", key.name, to_toml(key.read(settings)));
    } else {
      text += fmt::format("# {}: {}.\n", key.name, nothing);
    }
  }
  return text;
}

std::vector<std::string> differences(const Settings& a, const Settings& b) {
  std::vector<std::string> list;
  for (const Key& key : deck_keys()) {
    const Value before = key.read(a), now = key.read(b);
    if (before != now) {
      list.push_back(fmt::format("{}: {}, was {}", key.path(), to_toml(now), to_toml(before)));
    }
  }
  return list;
}

namespace {

/// What each preset fills in, a row per key of [rule].
std::string presets_markdown() {
  std::string text = "\n| `rule.name` |", line = "\n|---|";
  for (const Rule& rule : rules) {
    text += fmt::format(" `{}` |", rule.name);
    line += "---|";
  }
  text += line;
  for (const Key& key : deck_keys()) {
    if (key.section != "rule" || key.name == "name") continue;
    text += fmt::format("\n| `{}` |", key.name);
    for (const Rule& rule : rules) {
      Settings settings{};
      settings.rule = rule;
      const bool means_something = without_meaning(key, rule).empty();
      text += means_something ? fmt::format(" `{}` |", to_toml(key.read(settings))) : " - |";
    }
  }
  return text + "\n";
}

}  // namespace

std::string deck_reference_markdown() {
  std::string text =
      "# Deck reference\n\n"
      "Written by `dfascale deck --markdown` from the table that parses decks; do not edit.\n\n"
      "A deck is a TOML file. Every key has a default; `--set section.key=value` wins over the "
      "deck. `rule.name` is a preset that fills the other keys of `[rule]`; those given explicitly "
      "win over it. `dfascale deck FILE` prints a deck with every default written out.\n\n"
      "Spaces around the key and the value of `--set` do not count; quotes keep them "
      "(`--set 'run.dir=\"a b \"'`). Of several values for one key the last one counts. Text is "
      "UTF-8 without control characters, as all paths on the command line are; a file with another "
      "name is reached by a link.\n\n"
      "A run is called after its deck unless `run.name` is given: the file's name without `.toml`, "
      "and the method. What no name holds, and `+`, becomes `+XX`, the byte's hexadecimal code, so "
      "that two decks of one folder never share a run: `a b.toml` trains `a+20b-bp`. A deck may "
      "come from a pipe, `dfascale train <(sed ... deck.toml)`; its run is called `deck-METHOD`.\n";
  std::string_view section;
  for (const Key& key : deck_keys()) {
    if (key.section != section) {
      if (section == "rule") text += presets_markdown();
      text += fmt::format(
          "\n## [{}]\n\n| key | default | allowed | unit | meaning |\n|---|---|---|---|---|\n",
          key.section);
    }
    section = key.section;
    const bool derived = !key.fallback;
    text += fmt::format("| `{}` | {}{}{} | {} | {} | {} |\n", key.name, derived ? "" : "`",
                        default_text(key), derived ? "" : "`", allowed(key), key.unit, key.help);
  }
  return text;
}

std::string deck_reference_text() {
  std::string text;
  std::string_view section;
  for (const Key& key : deck_keys()) {
    if (key.section != section)
      text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", key.section);
    section = key.section;
    text += fmt::format("  {} = {}\n      {}\n      {}{}{}\n", key.name, default_text(key),
                        key.help, allowed(key), key.unit.empty() ? "" : "; ", key.unit);
  }
  return text;
}

}  // namespace dfascale
