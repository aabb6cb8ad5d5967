// A deck while it is being read: what was given where, and what is wrong with it so far.
#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deck/keys.hpp"

namespace dfascale {

/// A value and its place: "inputs/tiny.toml:14", or "--set rule.name".
struct Given {
  Value value;
  std::string place;
};

struct Reading {
  std::string deck;  ///< file name, the place of keys that were not given
  std::map<const Key*, Given> given;
  std::vector<std::string> problems;

  template <class... Args>
  void problem(const std::string& place, fmt::format_string<Args...> text, Args&&... args) {
    problems.push_back(place + ": " + fmt::format(text, std::forward<Args>(args)...));
  }
  /// Throws Error(Exit::usage) with all problems, a line each, if there are any.
  void stop_if_wrong() const;
};

/// `written` as a value of the key, of the key's type and within its range; nothing if it is not
/// one.
std::optional<Value> convert(const Key& key, const Value& written);
/// "30B", "2.5M": a count with a unit.
std::optional<std::int64_t> count_from_text(std::string_view text);
/// "8 GiB", "500MB", "64 B": bytes; empty text is 0, no limit.
std::optional<std::int64_t> bytes_from_text(std::string_view text);
/// "2h30m", "12:00:00": seconds.
std::optional<double> seconds_from_text(std::string_view text);
/// "100": a step's number.
std::optional<std::int64_t> step_from_text(std::string_view text);

/// Defaults that depend on other keys, then the rules that tie keys together.
void derive_defaults(Settings& settings, const Reading& reading);
void check_together(const Settings& settings, Reading& reading);

}  // namespace dfascale
