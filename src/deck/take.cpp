// Values from TOML and --set, taken by the key table.
#include "deck/take.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"
#include "deck/suggest.hpp"
#include "deck/toml_text.hpp"

namespace dfascale {

std::string did_you_mean(std::string_view typed, const std::vector<std::string_view>& known) {
  const std::string_view best = nearest(typed, known);
  return best.empty() ? "" : fmt::format("; did you mean \"{}\"?", best);
}

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  for (const Key& key : deck_keys()) {
    if (names.empty() || names.back() != key.section) names.push_back(key.section);
  }
  return names;
}

std::string key_suggestion(std::string_view section, std::string_view name) {
  std::vector<std::string_view> known;
  for (const Key& key : deck_keys()) {
    if (key.section == section) known.push_back(key.name);
  }
  std::string near = did_you_mean(name, known);
  if (!near.empty()) return near;
  for (const Key& key : deck_keys()) {
    if (key.name == name) return fmt::format("; it belongs in [{}]", key.section);
  }
  if (known.empty()) return fmt::format("; sections are {}", fmt::join(section_names(), ", "));
  return fmt::format("; [{}] has {}", section, fmt::join(known, ", "));
}

std::optional<Value> plain_value(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return Value(flag->get());
  if (const auto* whole = node.as_integer()) return Value(whole->get());
  if (const auto* real = node.as_floating_point()) return Value(real->get());
  if (const auto* text = node.as_string()) return Value(text->get());
  if (const auto* time = node.as_time()) {
    const toml::time& t = time->get();
    return Value(fmt::format("{:02}:{:02}:{:02}", t.hour, t.minute, t.second));
  }
  return std::nullopt;
}

void take_value(Reading& reading, const Key& key, const std::optional<Value>& written,
                const std::string& place) {
  const auto* text = written ? std::get_if<std::string>(&*written) : nullptr;
  if (const std::string why = text ? unfit_for_paths(*text) : ""; !why.empty()) {
    reading.problem(place, "{} = {}: {}; expected {}", key.path(), to_toml(*written), why,
                    allowed(key));
    return;
  }
  if (const auto value = written ? convert(key, *written) : std::nullopt) {
    reading.given[&key] = {*value, place};
    return;
  }
  std::vector<std::string_view> words = key.words;
  if (key.kind == Kind::restart) words = {"auto", "required", "never"};
  reading.problem(place, "{} = {}: expected {}{} ({})", key.path(),
                  written ? to_toml(*written) : "(a table, array or date)", allowed(key),
                  text ? did_you_mean(*text, words) : "", key.help);
}

std::string at_line(const std::string& file, const toml::source_region& source) {
  return fmt::format("{}:{}", file, source.begin.line);
}

void sort_by_line(Reading& reading) {
  std::ranges::stable_sort(reading.problems, {}, [&](const std::string& problem) {
    return std::atoi(problem.c_str() + reading.deck.size() + 1);  // "FILE:LINE: …"
  });
}

namespace {

std::string without_spaces_around(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

/// The value of --set as TOML reads it; what is not TOML, and what stands for a key that wants
/// text, is text as it stands.
std::optional<Value> override_value(const Key& key, const std::string& written) {
  const bool wants_text = key.kind == Kind::text || key.kind == Kind::name ||
                          key.kind == Kind::word || key.kind == Kind::restart;
  const auto node = parse_toml_value(written);
  if (node && (node->is_string() || !wants_text)) return plain_value(*node);
  return Value(written);
}

/// A quote at the beginning that TOML does not find closed at the end.
bool is_half_quoted(const std::string& written) {
  const bool begins = written.starts_with('"') || written.starts_with('\'');
  return begins && parse_toml_value(written) == nullptr;
}

}  // namespace

std::optional<Override> override_of(Reading& reading, const std::string& text) {
  const std::size_t equals = text.find('='), dot = text.find('.');
  const bool has_both = equals != std::string::npos && dot < equals;
  const auto part = [&](std::size_t begin, std::size_t count) {
    return has_both ? without_spaces_around(text.substr(begin, count)) : "";
  };
  Override found{part(0, dot), part(dot + 1, equals - dot - 1), part(equals + 1, text.npos), ""};
  if (found.section.empty() || found.name.empty()) {
    reading.problem("--set " + text, "expected section.key=value, for example optim.tokens=1B");
    return std::nullopt;
  }
  found.place = fmt::format("--set {}.{}", found.section, found.name);
  return found;
}

void take_override(Reading& reading, const Override& given) {
  const auto& [section, name, value, place] = given;
  if (!is_section(section)) {
    reading.problem(place, "[{}]: unknown section{}; sections are {}", section,
                    did_you_mean(section, section_names()), fmt::join(section_names(), ", "));
    return;
  }
  const Key* key = find_key(section, name);
  if (key == nullptr)
    reading.problem(place, "[{}] {}: unknown key{}", section, name, key_suggestion(section, name));
  else if (is_half_quoted(value))
    reading.problem(place, "{}: a quote that is not closed, or text that TOML cannot read", value);
  else take_value(reading, *key, override_value(*key, value), place);
}

Settings settle(Reading& reading) {
  Settings settings{};
  for (const Key& key : deck_keys()) {  // rule.name comes before the keys that its preset fills
    const auto given = reading.given.find(&key);
    if (given != reading.given.end()) {
      key.write(settings, given->second.value);
    } else if (key.fallback) {
      key.write(settings, *key.fallback);
    }
  }
  derive_defaults(settings, reading);
  check_together(settings, reading);
  reading.stop_if_wrong();
  return settings;
}

}  // namespace dfascale
