#include "base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/utf8.hpp"

namespace dfascale {
namespace {

/// C0, DEL and C1.
bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

std::string why_unfit(std::string_view text, bool (*is_refused)(char32_t)) {
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, bytes] = first_character(text.substr(at));
    if (bytes == 0)
      return fmt::format("byte {} is not UTF-8 (0x{:02X})", at + 1,
                         static_cast<unsigned char>(text[at]));
    if (is_refused(code))
      return fmt::format("control character U+{:04X} at byte {}", static_cast<std::uint32_t>(code),
                         at + 1);
    at += bytes;
  }
  return {};
}

std::string spelled_out(std::string_view text, bool (*is_hidden)(char32_t)) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, bytes] = first_character(text.substr(at));
    if (bytes == 0) out += fmt::format("\\x{:02X}", static_cast<unsigned char>(text[at]));
    else if (is_hidden(code)) out += fmt::format("\\u{:04X}", static_cast<std::uint32_t>(code));
    else out += text.substr(at, bytes);
    at += std::max<std::size_t>(bytes, 1);
  }
  return out;
}

bool is_control_in_prose(char32_t code) {
  return is_control(code) && code != '\n' && code != '\t' && code != '\r';
}

}  // namespace

std::string unfit_for_paths(std::string_view text) { return why_unfit(text, is_control); }

bool is_unseen(char32_t code) {
  struct Span {
    char32_t first, last;
  };
  // Spaces, soft hyphen, fillers, zero-width and direction marks, separators, tags (Unicode 15).
  constexpr std::array spans = {
      Span{0x0000, 0x0020}, Span{0x007f, 0x00a0}, Span{0x00ad, 0x00ad},  Span{0x034f, 0x034f},
      Span{0x061c, 0x061c}, Span{0x115f, 0x1160}, Span{0x1680, 0x1680},  Span{0x17b4, 0x17b5},
      Span{0x180b, 0x180f}, Span{0x2000, 0x200f}, Span{0x2028, 0x202f},  Span{0x205f, 0x206f},
      Span{0x3000, 0x3000}, Span{0x3164, 0x3164}, Span{0xfe00, 0xfe0f},  Span{0xfeff, 0xfeff},
      Span{0xffa0, 0xffa0}, Span{0xfff0, 0xffff}, Span{0xe0000, 0xe0fff}};
  return std::ranges::any_of(
      spans, [code](const Span& span) { return code >= span.first && code <= span.last; });
}

std::string wrong_argument(int count, const char* const* arguments) {
  constexpr std::string_view prose = "--prompt";
  for (int i = 1; i < count; ++i) {
    const std::string_view text = arguments[i];
    const bool is_prose = text.starts_with("--prompt=") || arguments[i - 1] == prose;
    const std::string why = why_unfit(text, is_prose ? is_control_in_prose : is_control);
    if (!why.empty())
      return fmt::format(
          "argument {} of the command line, \"{}\": {}; expected UTF-8 without control characters "
          "(a file with another name can be reached by a link: ln -s FILE LINK)",
          i, visible_in_a_line(text), why);
  }
  return {};
}

std::string visible(std::string_view text) {
  return spelled_out(
      text, [](char32_t code) { return is_control(code) && code != '\n' && code != '\t'; });
}

std::string visible_in_a_line(std::string_view text) { return spelled_out(text, is_control); }

std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace dfascale
