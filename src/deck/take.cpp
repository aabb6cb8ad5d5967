// Values from TOML and --set, taken by the key table.
#include "deck/take.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/read_file.hpp"
#include "deck/suggest.hpp"

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
  if (const auto value = written ? convert(key, *written) : std::nullopt) {
    reading.given[&key] = {*value, place};
    return;
  }
  const auto* text = written ? std::get_if<std::string>(&*written) : nullptr;
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

/// The value of --set as TOML reads it; what is not TOML, and what stands for a key that wants
/// text, is text as it stands.
std::optional<Value> override_value(const Key& key, const std::string& written) {
  const bool wants_text = key.kind == Kind::text || key.kind == Kind::name ||
                          key.kind == Kind::word || key.kind == Kind::restart;
  check_toml_keys(written, "--set " + key.path(), Exit::usage);
  try {
    const toml::table parsed = toml::parse("value = " + written);
    const toml::node* node = parsed.get("value");
    if (parsed.size() == 1 && node && (node->is_string() || !wants_text)) return plain_value(*node);
  } catch (const toml::parse_error&) {
    // A bare word.
  }
  return Value(written);
}

}  // namespace

void take_override(Reading& reading, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals) {
    reading.problem("--set " + text, "expected section.key=value, for example optim.tokens=1B");
    return;
  }
  const std::string section = text.substr(0, dot), name = text.substr(dot + 1, equals - dot - 1);
  const std::string place = fmt::format("--set {}.{}", section, name);
  if (!is_section(section)) {
    reading.problem(place, "[{}]: unknown section{}; sections are {}", section,
                    did_you_mean(section, section_names()), fmt::join(section_names(), ", "));
  } else if (const Key* key = find_key(section, name)) {
    take_value(reading, *key, override_value(*key, text.substr(equals + 1)), place);
  } else {
    reading.problem(place, "[{}] {}: unknown key{}", section, name, key_suggestion(section, name));
  }
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
