// Text from outside: what may name a file or a run, and how it is shown.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace dfascale {

/// Says why a text cannot be a path or part of one: "byte 3 is not UTF-8 (0xE9)", "control
/// character U+0000 at byte 2".  Bytes count from 1.  Empty if it can.
std::string unfit_for_paths(std::string_view text);

/// Whether a character has no ink of its own: spaces, direction marks and what else hides in a
/// name.
bool is_unseen(char32_t code);

/// Says what is wrong with a command line: all arguments are paths, names, numbers or words, but
/// for the value of --prompt, which may hold several lines.  Empty if nothing is.
std::string wrong_argument(int count, const char* const* arguments);

/// The text with control characters as \u001B and bytes that are not UTF-8 as \xE9; ends of lines
/// and tabs stay.
std::string visible(std::string_view text);

/// The same in one line: ends of lines and tabs are spelled out too.
std::string visible_in_a_line(std::string_view text);

/// JSON for people and programs, indented.  Bytes that are not UTF-8 are replaced, so that text of
/// a damaged file never costs the rest.
std::string json_text(const nlohmann::ordered_json& json);

}  // namespace dfascale
