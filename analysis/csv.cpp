// Reading of comma-separated files; made for files of 10^7 lines, so no field is copied.
#include "analysis/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "analysis/issue.hpp"

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
  std::string out(text.substr(0, most));
  for (char& c : out)
    if (std::iscntrl(static_cast<unsigned char>(c))) c = '?';
  return text.size() > most ? out + "..." : out;
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
    : path_(path), last_line_(last_line), buffer_(1 << 20) {
  file_.rdbuf()->pubsetbuf(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  if (!std::filesystem::is_directory(path)) file_.open(path);
  if (!file_.is_open())
    throw InputError("no_such_file", fmt::format("{}: cannot be opened for reading", path));
  if (!read_line()) throw InputError("empty_file", fmt::format("{}: no header line", path));
  split();
  header_.assign(fields_.begin(), fields_.end());
}

bool CsvReader::read_line() {
  while (std::getline(file_, line_)) {
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
  throw InputError("bad_number", fmt::format("{}: {} = \"{}\" is not a number", place(),
                                             header_[column], shown(text)));
}

std::string CsvReader::place() const { return fmt::format("{}:{}", path_, line_number_); }

}  // namespace dfascale::fit
