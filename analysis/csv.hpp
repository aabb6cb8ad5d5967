// A comma-separated file with a header, read line by line: fields trimmed, `#` lines skipped,
// quotes around a field taken off.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.hpp"

namespace dfascale::fit {

/// Whether a program may have died in the middle of the last row; then a last line without newline
/// and with too few fields is no row.
enum class LastLine { complete, may_be_torn };

/// Reads one row at a time; every mistake is an InputError that names FILE:LINE.
class CsvReader {
 public:
  /// Opens a file, or the pipe that a shell makes of <(command), and reads its header (codes
  /// no_such_file, empty_file).
  explicit CsvReader(const std::string& path, LastLine last_line = LastLine::complete);

  /// Index of a column of the header, or nothing; twice there is a bad_row.
  std::optional<std::size_t> column(std::string_view name) const;
  /// Same, but the file must have it (code missing_column).
  std::size_t required_column(std::string_view name) const;

  /// Moves to the next row; false at the end.  A wrong number of fields is a bad_row.
  bool next();

  /// Whether this row may have been cut short: its last field may lack digits.
  bool may_be_cut() const { return last_line_ == LastLine::may_be_torn && lacks_newline_; }

  /// Text of a field of this row.
  std::string_view text(std::size_t column) const { return fields_[column]; }
  /// Text of a field that names a run or a method (bad_row where it cannot: empty, not UTF-8, with
  /// control characters).
  std::string_view name(std::size_t column) const;
  /// Number in a field; nothing when blank, or where the last row is cut short (code bad_number).
  std::optional<double> number(std::size_t column) const;

  /// FILE:LINE of this row.
  std::string place() const;
  std::size_t column_count() const { return header_.size(); }

 private:
  bool fill();
  bool read_raw_line();
  bool read_line();
  void split();

  std::string path_;
  LastLine last_line_;
  FileDescriptor file_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  ///< what is left of the buffer
  bool lacks_newline_ = false;       ///< this line, the file's last
  std::string line_;
  std::int64_t line_number_ = 0;
  std::vector<std::string> header_;
  std::vector<std::string_view> fields_;  ///< into line_
};

/// A number as files hold it (C locale; nan, inf, -inf in any case), or nothing if it is none.
std::optional<double> parse_number(std::string_view text);

}  // namespace dfascale::fit
