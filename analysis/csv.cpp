// Reading of comma-separated files; made for files of 10^7 lines, so no field is copied.
#include "analysis/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "analysis/issue.hpp"
#include "base/read_file.hpp"
#include "base/text.hpp"

namespace dfascale::fit {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

/// Place of the comma that ends the first field, or the size; commas within quotes are text.
std::size_t field_end(std::string_view rest) {
  const std::size_t begin = rest.find_first_not_of(" \t");
  if (begin == rest.npos || rest[begin] != '"') return std::min(rest.find(','), rest.size());
  std::size_t quote = rest.find('"', begin + 1);
  while (quote != rest.npos && rest.substr(quote + 1).starts_with('"'))
    quote = rest.find('"', quote + 2);
  return quote == rest.npos ? rest.size() : std::min(rest.find(',', quote), rest.size());
}

/// The beginning of what a file holds, fit for one line on a terminal, whatever the file is.
std::string shown(std::string_view text) {
  constexpr std::size_t most = 120;
  const std::string out = visible(text.substr(0, most));
  return text.size() > most ? out + "..." : out;
}

FileDescriptor open_table(const std::string& path) {
  try {
    return open_file_or_pipe(path, Exit::data);
  } catch (const Error& error) {
    throw InputError("no_such_file", error.what());
  }
}

std::string_view unquoted(std::string_view field) {
  if (field.size() < 2 || field.front() != '"' || field.back() != '"') return field;
  return trimmed(field.substr(1, field.size() - 2));
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range)
    return std::strtod(std::string(text).c_str(), nullptr);
  if (error != std::errc{}) return std::nullopt;
  return value;
}

CsvReader::CsvReader(const std::string& path, LastLine last_line)
    : path_(path), last_line_(last_line), file_(open_table(path)), buffer_(1 << 20) {
  if (!read_line()) throw InputError("empty_file", fmt::format("{}: no header line", path));
  split();
  header_.assign(fields_.begin(), fields_.end());
}

bool CsvReader::fill() {
  try {
    begin_ = 0;
    end_ = read_some(file_, buffer_.data(), buffer_.size(), path_, Exit::data);
    return end_ > 0;
  } catch (const Error& error) {
    throw InputError("no_such_file", error.what());
  }
}

/// The next line without its end, however it looks.
bool CsvReader::read_raw_line() {
  constexpr std::size_t longest = 1 << 20;
  line_.clear();
  while (begin_ < end_ || fill()) {
    const char* start = buffer_.data() + begin_;
    const auto* end = static_cast<const char*>(std::memchr(start, '\n', end_ - begin_));
    line_.append(start, end ? end : buffer_.data() + end_);
    begin_ = end ? static_cast<std::size_t>(end - buffer_.data()) + 1 : end_;
    if (end) return true;
    if (line_.size() > longest)
      throw InputError("bad_row", fmt::format("{}:{}: a line of more than {} bytes", path_,
                                              line_number_ + 1, longest));
  }
  lacks_newline_ = true;
  return !line_.empty();
}

bool CsvReader::read_line() {
  while (read_raw_line()) {
    if (++line_number_ == 1 && line_.starts_with("\xEF\xBB\xBF"))
      line_.erase(0, 3);  // byte-order mark
    const std::string_view text = trimmed(line_);
    if (!text.empty() && text.front() != '#') return true;
  }
  return false;
}

void CsvReader::split() {
  fields_.clear();
  std::string_view rest = line_;
  std::size_t comma = field_end(rest);
  for (; comma < rest.size(); comma = field_end(rest)) {
    fields_.push_back(unquoted(trimmed(rest.substr(0, comma))));
    rest.remove_prefix(comma + 1);
  }
  fields_.push_back(unquoted(trimmed(rest)));
}

bool CsvReader::next() {
  if (!read_line()) return false;
  split();
  if (may_be_cut() && fields_.size() < header_.size()) return false;
  if (fields_.size() != header_.size())
    throw InputError("bad_row", fmt::format("{}: {} fields, but the header has {}", place(),
                                            fields_.size(), header_.size()));
  return true;
}

std::optional<std::size_t> CsvReader::column(std::string_view name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) return std::nullopt;
  if (std::find(found + 1, header_.end(), name) != header_.end())
    throw InputError("bad_row", fmt::format("{}: the header names column \"{}\" twice; rename one",
                                            path_, name));
  return static_cast<std::size_t>(found - header_.begin());
}

std::size_t CsvReader::required_column(std::string_view name) const {
  if (const auto found = column(name)) return *found;
  throw InputError("missing_column",
                   fmt::format("{}: no column \"{}\"; the header is \"{}\"", path_, name,
                               shown(fmt::format("{}", fmt::join(header_, ",")))));
}

std::optional<double> CsvReader::number(std::size_t column) const {
  const std::string_view text = fields_[column];
  if (text.empty()) return std::nullopt;
  if (const auto value = parse_number(text)) return value;
  if (may_be_cut() && column + 1 == header_.size()) return std::nullopt;
  throw InputError("bad_number", fmt::format("{}: {} = \"{}\" is not a number", place(),
                                             header_[column], shown(text)));
}

std::string_view CsvReader::name(std::size_t column) const {
  const std::string_view text = fields_[column];
  const std::string why = text.empty() ? "empty" : unfit_for_paths(text);
  if (why.empty()) return text;
  throw InputError("bad_row", fmt::format("{}: {} = \"{}\": {}; expected a name", place(),
                                          header_[column], shown(text), why));
}

std::string CsvReader::place() const { return fmt::format("{}:{}", path_, line_number_); }

}  // namespace dfascale::fit
