// From what TOML holds to what a key wants: types, units, ranges.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "deck/names.hpp"
#include "deck/reading.hpp"

namespace dfascale {
namespace {

/// Reads a number off the front of `text`.
std::optional<double> take_number(std::string_view& text) {
  double number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

void drop_spaces(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

std::optional<std::int64_t> whole_from_real(double number) {
  constexpr double beyond_int64 = 9.2e18;
  if (!std::isfinite(number) || std::fabs(number) > beyond_int64) return std::nullopt;
  if (std::fabs(number - std::round(number)) > 1e-6) return std::nullopt;
  return static_cast<std::int64_t>(std::llround(number));
}

/// "HH:MM:SS", any number of hours.
std::optional<double> seconds_from_clock(std::string_view text) {
  double seconds = 0;
  for (int part = 0; part < 3; ++part) {
    int number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc() || number < 0 || (part > 0 && number > 59)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    seconds = 60 * seconds + number;
    if (part == 2) break;
    if (text.empty() || text.front() != ':') return std::nullopt;
    text.remove_prefix(1);
  }
  if (!text.empty()) return std::nullopt;
  return seconds;
}

bool is_restart(std::string_view text) {
  return text == "auto" || text == "required" || text == "never" || step_from_text(text) ||
         text.find('/') != std::string_view::npos;
}

std::optional<Value> from_text(const Key& key, const std::string& text) {
  switch (key.kind) {
    case Kind::count:
      if (const auto count = count_from_text(text)) return Value(*count);
      return std::nullopt;
    case Kind::bytes:
      if (const auto bytes = bytes_from_text(text)) return Value(*bytes);
      return std::nullopt;
    case Kind::seconds:
      if (const auto seconds = seconds_from_text(text)) return Value(*seconds);
      return std::nullopt;
    case Kind::word:
      if (std::ranges::find(key.words, text) != key.words.end()) return Value(text);
      return std::nullopt;
    case Kind::text: return Value(text);
    case Kind::name:
      if (is_name(text)) return Value(text);
      return std::nullopt;
    case Kind::restart:
      if (is_restart(text)) return Value(text);
      return std::nullopt;
    default: return std::nullopt;
  }
}

std::optional<Value> from_number(const Key& key, const Value& written) {
  const auto* whole = std::get_if<std::int64_t>(&written);
  const double number = whole ? static_cast<double>(*whole) : std::get<double>(written);
  switch (key.kind) {
    case Kind::whole:
      if (whole) return written;
      return std::nullopt;
    case Kind::count:
    case Kind::bytes:
      if (whole) return written;
      if (const auto count = whole_from_real(number)) return Value(*count);
      return std::nullopt;
    case Kind::real:
    case Kind::seconds: return Value(number);
    case Kind::restart: return whole ? from_text(key, std::to_string(*whole)) : std::nullopt;
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<std::int64_t> count_from_text(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  drop_spaces(text);
  double unit = 1;
  if (text == "K" || text == "k") {
    unit = 1e3;
  } else if (text == "M") {
    unit = 1e6;
  } else if (text == "B" || text == "G") {
    unit = 1e9;
  } else if (text == "T") {
    unit = 1e12;
  } else if (!text.empty()) {
    return std::nullopt;
  }
  return whole_from_real(*number * unit);
}

std::optional<std::int64_t> bytes_from_text(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr std::array units = {Unit{"B", 1},        Unit{"KB", 1e3},     Unit{"MB", 1e6},
                                Unit{"GB", 1e9},     Unit{"TB", 1e12},    Unit{"KiB", 0x1p10},
                                Unit{"MiB", 0x1p20}, Unit{"GiB", 0x1p30}, Unit{"TiB", 0x1p40}};
  if (text.empty()) return 0;
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  drop_spaces(text);
  const auto unit = std::ranges::find(units, text, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  return whole_from_real(std::round(*number * unit->bytes));
}

std::optional<std::int64_t> step_from_text(std::string_view text) {
  std::int64_t step = 0;
  const char* end = text.data() + text.size();
  const auto [last, reason] = std::from_chars(text.data(), end, step);
  if (reason != std::errc{} || last != end || step < 0) return std::nullopt;
  return step;
}

std::optional<double> seconds_from_text(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return seconds_from_clock(text);
  double seconds = 0;
  do {
    const auto number = take_number(text);
    if (!number || text.empty()) return std::nullopt;
    const char unit = text.front();
    if (unit != 'd' && unit != 'h' && unit != 'm' && unit != 's') return std::nullopt;
    seconds += *number * (unit == 'd' ? 86400 : unit == 'h' ? 3600 : unit == 'm' ? 60 : 1);
    text.remove_prefix(1);
    drop_spaces(text);
  } while (!text.empty());
  return seconds;
}

std::optional<Value> convert(const Key& key, const Value& written) {
  std::optional<Value> value;
  if (std::holds_alternative<bool>(written)) {
    if (key.kind == Kind::flag) value = written;
  } else if (const auto* text = std::get_if<std::string>(&written)) {
    value = from_text(key, *text);
  } else {
    value = from_number(key, written);
  }
  if (value && !in_range(key, *value)) value.reset();
  return value;
}

}  // namespace dfascale
