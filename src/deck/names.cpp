#include "deck/names.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/utf8.hpp"

namespace dfascale {
namespace {

constexpr std::size_t most_in_a_part = 255, most_in_a_path = 4000;  // NAME_MAX; below PATH_MAX

bool is_name_character(Character character) {
  if (character.bytes != 1) return character.bytes > 1 && !is_unseen(character.code);
  const auto c = static_cast<char>(character.code);
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return is_letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '+' || c == '-';
}

/// What a shell names the pipe of <(command), and standard input.
bool is_descriptor(std::string_view file) {
  return file.starts_with("/dev/fd/") || file.starts_with("/proc/") || file == "/dev/stdin";
}

}  // namespace

bool is_name(std::string_view text) {
  if (text.empty() || text.front() == '.') return false;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!is_name_character(character)) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

std::string name_from_file(const std::string& file) {
  constexpr std::string_view usual = ".toml";
  if (is_descriptor(file)) return "deck";
  std::string_view rest = file;
  rest.remove_prefix(std::min(rest.rfind('/') + 1, rest.size()));
  if (rest.size() > usual.size() && rest.ends_with(usual)) rest.remove_suffix(usual.size());
  std::string name;
  while (!rest.empty()) {
    const Character character = first_character(rest);
    const std::size_t bytes = std::max<std::size_t>(character.bytes, 1);
    const bool is_kept = is_name_character(character) && rest.front() != '+' &&
                         !(name.empty() && rest.front() == '.');
    if (is_kept) name += rest.substr(0, bytes);
    else
      for (const char byte : rest.substr(0, bytes))
        name += fmt::format("+{:02X}", static_cast<unsigned char>(byte));
    rest.remove_prefix(bytes);
  }
  return name;
}

std::string too_long_path(std::string_view path) {
  if (path.size() > most_in_a_path)
    return fmt::format("{} bytes, more than the {} of a path", path.size(), most_in_a_path);
  while (!path.empty()) {
    const std::size_t part = std::min(path.find('/'), path.size());
    if (part > most_in_a_part)
      return fmt::format("a part of {} bytes, more than the {} of a file's name", part,
                         most_in_a_part);
    path.remove_prefix(std::min(part + 1, path.size()));
  }
  return {};
}

}  // namespace dfascale
