// What the user reads while the program runs: rank 0 speaks on the terminal and, once a run folder
// is known, in log.txt.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace dfascale::log {

/// Only the rank that speaks prints; every other rank's say() and warn() do nothing.  Called once
/// by Session.
void speak_on_this_rank(bool speaks);
/// From now on every line also goes, with time and level, to this file (appended).  Throws Error if
/// it cannot be opened.
void also_to_file(const std::string& path);
void close_file();

void line(const std::string& text);
void warning(const std::string& text);
/// A warning that any rank may speak, with its number.
void warning_of_rank(int rank, const std::string& text);
/// Progress: redrawn in place on a terminal; on anything else a plain line at most every ten
/// seconds.  Not in the file.
void progress(const std::string& text);

template <class... Args>
void say(fmt::format_string<Args...> text, Args&&... args) {
  line(fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> text, Args&&... args) {
  warning(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace dfascale::log
