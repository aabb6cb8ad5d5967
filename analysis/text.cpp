// Formatting shared by the table, the report, the figures and the screen.
#include "analysis/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace dfascale::fit {
namespace {

std::string superscript(int exponent) {
  static const std::array<const char*, 10> digits = {"⁰", "¹", "²", "³", "⁴",
                                                     "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = exponent < 0 ? "⁻" : "";
  for (const char c : std::to_string(std::abs(exponent)))
    text += digits[static_cast<std::size_t>(c - '0')];
  return text;
}

/// ASCII hyphen to a minus sign.
std::string signed_text(std::string text) {
  if (text.starts_with('-')) text.replace(0, 1, "−");
  return text;
}

int paper_rank(const std::string& name) {
  return name == "bp" ? 0 : name == "dfa" ? 1 : name == "shallow" ? 2 : 3;
}

}  // namespace

std::string display_name(std::string_view method) {
  constexpr std::pair<std::string_view, std::string_view> shown[] = {
      {"bp", "BP"}, {"dfa", "DFA"}, {"shallow", "Shallow"}};
  for (const auto& [name, display] : shown) {
    if (method == name) return std::string(display);
    if (method == display) return fmt::format("“{}”", method);  // not the method of the line above
  }
  return std::string(method);
}

std::string pretty(const std::optional<double>& value, int digits) {
  if (!value || !std::isfinite(*value)) return "–";
  const double size = std::abs(*value);
  if (size == 0) return "0";
  const double log = std::log10(size);
  if (log >= 4 || log < -3) return (*value < 0 ? "−" : "") + power_of_ten(log);
  return fixed(value, std::max(0, digits - 1 - static_cast<int>(std::floor(log))));
}

std::string fixed(const std::optional<double>& value, int decimals) {
  if (!value || !std::isfinite(*value)) return "–";
  return signed_text(fmt::format("{:.{}f}", *value, decimals));
}

std::string fixed_with(double value, const std::optional<Interval>& interval, int decimals) {
  if (!interval) return fixed(value, decimals);
  return fmt::format("{} ({} to {})", fixed(value, decimals), fixed(interval->low, decimals),
                     fixed(interval->high, decimals));
}

std::string power_of_ten(double log10_value) {
  if (log10_value > -2 && log10_value < 4) return pretty(std::pow(10.0, log10_value), 2);
  int exponent = static_cast<int>(std::floor(log10_value));
  double mantissa = std::pow(10.0, log10_value - exponent);
  if (mantissa >= 9.95) {
    mantissa = 1;
    ++exponent;
  }
  return fmt::format("{:.1f}×10{}", mantissa, superscript(exponent));
}

std::string short_count(double count) {
  constexpr std::pair<double, const char*> units[] = {{1e9, " G"}, {1e6, " M"}, {1e3, " k"}};
  for (const auto& [unit, name] : units)
    if (count >= 0.9995 * unit) {
      const double value = count / unit;
      return fmt::format("{:.{}f}{}", value, value < 9.95 ? 1 : 0, name);
    }
  return fmt::format("{:.0f}", count);
}

std::string accounting_sentence(const Options& options, Escape escape) {
  std::string given;
  for (const auto& [method, factor] : options.factors)
    given += fmt::format("; by option {}ND for {}", factor, escape(display_name(method)));
  switch (options.accounting) {
    case Accounting::paper: return "paper: C = 6ND for BP, 4ND for DFA, 2ND for shallow" + given;
    case Accounting::optimistic: return "optimistic: as the paper's, but C = 2ND for DFA" + given;
    case Accounting::exact: return "exact: the FLOP of every matrix product that the method needs";
    case Accounting::seconds: return "seconds: measured device-seconds of training";
  }
  return "";
}

std::string compute_unit_name(const Results& results) {
  return results.in_seconds() ? "device-seconds" : "PF-days";
}

std::vector<const Method*> ordered_methods(const Results& results) {
  std::vector<const Method*> methods;
  for (const Method& method : results.methods) methods.push_back(&method);
  std::stable_sort(methods.begin(), methods.end(), [&](const Method* a, const Method* b) {
    const auto rank = [&](const Method* m) {
      return m->name == results.options.reference ? -1 : paper_rank(m->name);
    };
    return rank(a) < rank(b);
  });
  return methods;
}

std::size_t place_of(const Results& results, std::string_view name) {
  const auto order = ordered_methods(results);
  const auto at = std::find_if(order.begin(), order.end(),
                               [&](const Method* method) { return method->name == name; });
  return static_cast<std::size_t>(at - order.begin());
}

std::string joined(std::vector<std::string> words, Escape escape) {
  for (std::string& word : words) word = escape(word);
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace dfascale::fit
