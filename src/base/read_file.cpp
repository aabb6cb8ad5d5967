#include "base/read_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace dfascale {

namespace {

using Json = nlohmann::ordered_json;

constexpr int deepest_json = 64;
constexpr int seconds_for_a_writer = 5, seconds_for_its_next_byte = 60;

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

/// "line 3, column 14" of a byte of a text; both count from 1.
std::string place_in(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t last = before.rfind('\n');
  const std::size_t column = 1 + before.size() - (last == std::string_view::npos ? 0 : last + 1);
  return fmt::format("line {}, column {}", line, column);
}

/// What a JSON text may hold.
struct JsonBounds {
  std::int64_t members;  ///< named ones, of all objects
  std::int64_t values = 1'000'000;
};
constexpr JsonBounds bounds = {10'000}, large_bounds = {1'000'000, 4'000'000};

/// "line 2, column 7: ..." where a text first holds more than it may; empty if nowhere.
std::string excess_in(std::string_view text, const JsonBounds& most) {
  int depth = 0;
  std::int64_t members = 0, values = 1;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      else if (c == '"') in_text = false;
      continue;
    }
    if (c == '"') in_text = true;
    else if (c == '[' || c == '{') ++depth;
    else if (c == ']' || c == '}') --depth;
    else if (c == ':') ++members;
    else if (c == ',') ++values;
    if (depth > deepest_json)
      return fmt::format("{}: objects and arrays nest more than {} deep", place_in(text, i),
                         deepest_json);
    if (members > most.members || values > most.values)
      return fmt::format("{}: more than {} {}", place_in(text, i),
                         members > most.members ? most.members : most.values,
                         members > most.members ? "named members" : "values");
  }
  return {};
}

/// The library repeats all of a text that it could not read to its end: the last few bytes do.
std::string without_long_quote(const std::string& reason) {
  constexpr std::string_view quote = "; last read: '";
  constexpr std::size_t enough = 40;
  const std::size_t begin = reason.find(quote);
  if (begin == std::string::npos || reason.size() - begin < quote.size() + 2 * enough)
    return reason;
  std::size_t from = reason.size() - enough;
  while ((reason[from] & 0xc0) == 0x80) ++from;
  return reason.substr(0, begin) + std::string(quote) + "..." + reason.substr(from);
}

/// The library's own words behind their "[...] parse error at line 1, column 2: ".
std::string reason_in(const std::string& what) {
  const std::size_t error = what.find("error at ");
  const std::size_t colon = error == std::string::npos ? what.find("] ") : what.find(": ", error);
  return without_long_quote(colon == std::string::npos ? what : what.substr(colon + 2));
}

/// Python writes these numbers, which JSON does not have.
bool is_python_number(std::string_view text, std::size_t byte) {
  const std::size_t from = byte < 12 ? 0 : byte - 12;
  const std::string_view near = text.substr(from, 24);
  return near.find("NaN") != std::string_view::npos ||
         near.find("Infinity") != std::string_view::npos;
}

template <class Allowed>
FileDescriptor open_one_of(const std::string& path, Exit code, Allowed is_allowed) {
  // O_NONBLOCK: opening a pipe would wait for its writer.
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat about {};
  if (file.number() < 0 || ::fstat(file.number(), &about) != 0)
    fail(code, "cannot read {}", system_reason(path));
  if (!is_allowed(about.st_mode))
    fail(code, "{}: expected a file, this is {}", path, kind_of(about.st_mode));
  return file;
}

bool is_pipe(const FileDescriptor& file) {
  struct stat about {};
  return ::fstat(file.number(), &about) == 0 && S_ISFIFO(about.st_mode);
}

/// Waits for a pipe's writer to write, or to close it; false if neither came in time.
bool writer_acts(const FileDescriptor& file, int seconds, const std::string& path, Exit code) {
  pollfd wanted{file.number(), POLLIN, 0};
  const int ready = ::poll(&wanted, 1, 1000 * seconds);
  if (ready < 0 && errno == EINTR) fail(code, "{}: a signal came while this pipe was read", path);
  if (ready < 0) fail(code, "cannot read {}", system_reason(path));
  return ready > 0;
}

std::string read_whole(const FileDescriptor& file, const std::string& path, Exit code,
                       std::int64_t most) {
  std::string text;
  constexpr std::size_t step = 64 << 10;
  for (std::size_t done = 0;;) {
    text.resize(done + step);
    const std::size_t got = read_some(file, text.data() + done, step, path, code);
    done += got;
    text.resize(done);
    if (static_cast<std::int64_t>(done) > most)
      fail(code, "{}: larger than the {} bytes such a file may have", path, most);
    if (got == 0) return text;
  }
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) ::close(number_);
}

FileDescriptor open_regular_file(const std::string& path, Exit code) {
  return open_one_of(path, code, [](mode_t mode) { return S_ISREG(mode); });
}

void check_regular(const FileDescriptor& file, const std::string& path, Exit code) {
  struct stat about {};
  if (::fstat(file.number(), &about) != 0) fail(code, "cannot look at {}", system_reason(path));
  if (!S_ISREG(about.st_mode))
    fail(code, "{}: expected a file, this is {}", path, kind_of(about.st_mode));
}

FileDescriptor open_file_or_pipe(const std::string& path, Exit code) {
  return open_one_of(path, code, [](mode_t mode) { return S_ISREG(mode) || S_ISFIFO(mode); });
}

std::size_t read_some(const FileDescriptor& file, char* into, std::size_t size,
                      const std::string& path, Exit code) {
  while (true) {
    const ssize_t got = ::read(file.number(), into, size);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) fail(code, "cannot read {}", system_reason(path));
    // Nothing: from a pipe it means no writer yet, or one that has closed it, which polling knows.
    if (got == 0 && (!is_pipe(file) || writer_acts(file, 0, path, code))) return 0;
    if (writer_acts(file, got == 0 ? seconds_for_a_writer : seconds_for_its_next_byte, path, code))
      continue;
    fail(code, "{}: {}; give a file", path,
         got == 0 ? "nobody writes into this pipe" : "the writer of this pipe is silent");
  }
}

std::string read_small_file(const std::string& path, Exit code, std::int64_t most) {
  return read_whole(open_regular_file(path, code), path, code, most);
}

std::string read_small_file_or_pipe(const std::string& path, Exit code, std::int64_t most) {
  return read_whole(open_file_or_pipe(path, code), path, code, most);
}

namespace {

/// Runs the library's parser; says where and why it failed.
template <class Parse>
std::string why_not_parsed(std::string_view text, const JsonBounds& most, Parse&& parse) {
  if (std::string excess = excess_in(text, most); !excess.empty()) return excess;
  try {
    parse();
    return {};
  } catch (const Json::parse_error& error) {
    const std::size_t byte = error.byte > 0 ? error.byte - 1 : 0;
    return fmt::format("{}: {}{}", place_in(text, byte), reason_in(error.what()),
                       is_python_number(text, byte)
                           ? " (NaN and Infinity, as Python writes them, are not JSON)"
                           : "");
  } catch (const Json::exception& error) {
    return reason_in(error.what());
  }
}

/// Notes the names of every object that is open, and the first that comes twice.
class NameWatch {
 public:
  bool operator()(int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start) open_.emplace_back();
    if (event == Event::object_end) open_.pop_back();
    if (event == Event::key && !open_.back().insert(value.get<std::string>()).second &&
        twice_.empty())
      twice_ = value.get<std::string>();
    return true;
  }
  const std::string& twice() const { return twice_; }

 private:
  std::vector<std::set<std::string>> open_;
  std::string twice_;
};

}  // namespace

std::string parse_json_or_say_why(std::string_view text, Json& into) {
  return why_not_parsed(text, bounds, [&] { into = Json::parse(text); });
}

std::string parse_json_or_say_why(std::string_view text, nlohmann::json& into) {
  return why_not_parsed(text, large_bounds, [&] { into = nlohmann::json::parse(text); });
}

nlohmann::json parse_large_json(std::string_view text, const std::string& name, Exit code) {
  nlohmann::json json;
  NameWatch watch;
  const std::string why = why_not_parsed(
      text, large_bounds, [&] { json = nlohmann::json::parse(text, std::ref(watch)); });
  if (!why.empty()) fail(code, "{}: not valid JSON: {}", name, why);
  if (!watch.twice().empty())
    fail(code, "{}: the name {} comes twice", name, nlohmann::json(watch.twice()).dump());
  return json;
}

Json parse_json(std::string_view text, const std::string& name, Exit code) {
  Json json;
  if (const std::string why = parse_json_or_say_why(text, json); !why.empty())
    fail(code, "{}: not valid JSON: {}", name, why);
  return json;
}

Json read_json(const std::string& path, Exit code) {
  return parse_json(read_small_file(path, code), path, code);
}

namespace {

/// Where the TOML text in quotes that begins at `at` ends: behind its last quote, or at the line's
/// end where that is missing.
std::size_t behind_quotes(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool is_long = text.substr(at, 3) == three;
  for (std::size_t i = at + (is_long ? 3 : 1); i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') ++i;
    else if (!is_long && (text[i] == quote || text[i] == '\n')) return i + 1;
    else if (is_long && text.substr(i, 3) == three) {
      const std::size_t end = text.find_first_not_of(quote, i);  // up to two more belong to it
      return std::min({text.size(), end, i + 5});
    }
  }
  return text.size();
}

}  // namespace

void check_toml_keys(std::string_view text, const std::string& name, Exit code) {
  constexpr int most_dots = 15;
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  int dots = 0;
  for (std::size_t i = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
       i < text.size();) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 128)
      fail(code, "{}: {}: not TOML: a character that is not ASCII needs quotes around its text",
           name, place_in(text, i));
    if (c == '"' || c == '\'') i = behind_quotes(text, i);
    else if (c == '#') i = std::min(text.find('\n', i), text.size());
    else ++i;
    if (c == '.') ++dots;
    else if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) dots = 0;
    if (dots > most_dots)
      fail(code, "{}: {}: a key of more than {} parts", name, place_in(text, i - 1), most_dots + 1);
  }
}

}  // namespace dfascale
