#include "analysis/escape.hpp"

#include <algorithm>
#include <cctype>

namespace dfascale::fit {
namespace {

bool is_word(std::string_view text, std::size_t at) {
  if (at >= text.size()) return false;
  const auto c = static_cast<unsigned char>(text[at]);
  return std::isalnum(c) != 0 || c >= 0x80;
}

/// Where a list or a heading would begin: "- a", "12. a", "= a".
bool begins_a_block(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (at == 0) return c == '-' || c == '+' || c == '=';
  const bool is_number = std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at),
                                     [](unsigned char d) { return std::isdigit(d) != 0; });
  return is_number && (c == '.' || c == ')');
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string plain(std::string_view text) { return std::string(text); }

std::string markdown(std::string_view text) {
  text = trimmed(text);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool in_word = i > 0 && is_word(text, i - 1) && is_word(text, i + 1);
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '_' && in_word) out += c;  // no emphasis within a word
    else {
      const bool has_meaning = std::string_view("\\`*_[]|~#$!").find(c) != std::string_view::npos;
      if (has_meaning || begins_a_block(text, i)) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string markdown_code(std::string_view text) {
  std::size_t longest = 0, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string quote(longest + 1, '`');
  const std::string space = text.starts_with('`') || text.ends_with('`') ? " " : "";
  return quote + space + std::string(text) + space + quote;
}

std::string gnuplot(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("_^{}@&~\\").find(c) != std::string_view::npos) out += '\\';
    if (c == '\'') out += '\'';
    out += c;
  }
  return out;
}

std::string csv_field(std::string_view text) {
  const bool is_plain = text.find_first_of(",\"#") == std::string_view::npos &&
                        !text.starts_with(' ') && !text.ends_with(' ');
  if (is_plain) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace dfascale::fit
