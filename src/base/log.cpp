#include "base/log.hpp"

#include <fmt/chrono.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/standard_output.hpp"
#include "base/text.hpp"
#include "base/write_file.hpp"

namespace dfascale::log {
namespace {

constexpr double seconds_between_plain_progress_lines = 10;

struct Voice {
  bool speaks = true;
  bool progress_shown = false;
  double last_progress = -1e30;
  std::unique_ptr<AppendFile> file;
  std::mutex mutex;  ///< a checkpoint's thread may warn
};

Voice& voice() {
  static Voice one;
  return one;
}

/// A log that cannot be written does not end a run: it is said, once.
void write_to_file(const char* level, const std::string& text) {
  if (!voice().file) return;
  try {
    const std::tm now = fmt::localtime(std::time(nullptr));
    voice().file->append(fmt::format("{:%Y-%m-%dT%H:%M:%S} {} {}", now, level, text));
  } catch (const Error& error) {
    std::fprintf(stderr, "warning: the log ends here: %s\n", error.what());
    voice().file.reset();
  }
}

void end_progress_line() {
  if (voice().progress_shown) std::fputs("\r\033[K", stderr);
  voice().progress_shown = false;
}

/// A run goes on where nobody hears it: its file has the lines.
void print(const std::string& text) {
  std::puts(text.c_str());
  const bool is_lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (is_lost && voice().file) give_up_output(voice().file->path().c_str());
}

}  // namespace

void speak_on_this_rank(bool speaks) { voice().speaks = speaks; }

void also_to_file(const std::string& path) {
  if (!voice().speaks) return;
  voice().file = std::make_unique<AppendFile>(path, "");
}

void close_file() { voice().file.reset(); }

void line(const std::string& text) {
  if (!voice().speaks) return;
  const std::lock_guard lock(voice().mutex);
  end_progress_line();
  const std::string shown = visible(text);
  print(shown);
  write_to_file("info", shown);
}

void warning(const std::string& text) {
  if (!voice().speaks) return;
  const std::lock_guard lock(voice().mutex);
  end_progress_line();
  const std::string shown = visible(text);
  std::fprintf(stderr, "warning: %s\n", shown.c_str());
  write_to_file("warning", shown);
}

void warning_of_rank(int rank, const std::string& text) {
  const std::string whose = fmt::format("rank {}: {}", rank, text);
  if (voice().speaks) return warning(whose);
  std::fprintf(stderr, "warning: %s\n", whose.c_str());
}

void progress(const std::string& text) {
  if (!voice().speaks) return;
  const std::lock_guard lock(voice().mutex);
  if (isatty(STDERR_FILENO)) {
    std::fprintf(stderr, "\r%s\033[K", text.c_str());
    voice().progress_shown = true;
    return;
  }
  if (seconds_now() - voice().last_progress < seconds_between_plain_progress_lines) return;
  voice().last_progress = seconds_now();
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace dfascale::log
