#include "io/run_tables.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "io/files.hpp"

namespace dfascale {

namespace {

constexpr Exit exit_code = Exit::checkpoint;
constexpr std::size_t val_loss_column = 3;

// Nine digits hold any float; blank where there is no value.
std::string short_number(const std::optional<double>& value) {
  return value ? fmt::format("{:.9g}", *value) : "";
}

std::string_view without_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);  // of an editor's
  return line;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  line = without_return(line);
  std::vector<std::string_view> fields;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma != std::string_view::npos) line.remove_prefix(comma + 1);
  }
  return fields;
}

std::size_t columns_of(std::string_view header) {
  return static_cast<std::size_t>(std::count(header.begin(), header.end(), ',')) + 1;
}

/// Takes numbers from fields and remembers whether each was one.
class Numbers {
 public:
  explicit Numbers(const std::vector<std::string_view>& fields) : fields_(fields) {}

  template <class Number>
  Number take(std::size_t column) {
    const std::string_view field = fields_[column];
    Number value{};
    const char* const end = field.data() + field.size();
    const auto [at, reason] = std::from_chars(field.data(), end, value);
    are_good_ &= reason == std::errc{} && at == end;
    return value;
  }
  std::optional<double> take_if_any(std::size_t column) {
    if (fields_[column].empty()) return std::nullopt;
    return take<double>(column);
  }
  bool are_good() const { return are_good_; }

 private:
  const std::vector<std::string_view>& fields_;
  bool are_good_ = true;
};

}  // namespace

std::string text_of(const MetricsRow& row) {
  return fmt::format("{},{},{},{},{},{},{:.17g},{:.17g},{},{},{}", row.step, row.tokens,
                     short_number(row.train_loss), short_number(row.val_loss), short_number(row.lr),
                     short_number(row.grad_norm), row.flops, row.seconds,
                     short_number(row.step_seconds), short_number(row.tokens_per_second),
                     short_number(row.mfu));
}

std::string text_of(const AlignmentRow& row) {
  return fmt::format("{},{},{:.9g},{:.9g},{:.9g}", row.step, row.tensor, row.cosine, row.norm_rule,
                     row.norm_bp);
}

std::optional<MetricsRow> metrics_row(std::string_view line) {
  const std::vector<std::string_view> fields = fields_of(line);
  if (fields.size() != columns_of(metrics_header)) return std::nullopt;
  Numbers numbers(fields);
  MetricsRow row;
  row.step = numbers.take<std::int64_t>(0);
  row.tokens = numbers.take<std::int64_t>(1);
  row.train_loss = numbers.take_if_any(2);
  row.val_loss = numbers.take_if_any(val_loss_column);
  row.lr = numbers.take_if_any(4);
  row.grad_norm = numbers.take_if_any(5);
  row.flops = numbers.take<double>(6);
  row.seconds = numbers.take<double>(7);
  row.step_seconds = numbers.take_if_any(8);
  row.tokens_per_second = numbers.take_if_any(9);
  row.mfu = numbers.take_if_any(10);
  return numbers.are_good() ? std::optional(row) : std::nullopt;
}

std::optional<std::int64_t> step_of_row(std::string_view line, std::string_view header) {
  if (header == metrics_header) {
    const auto row = metrics_row(line);
    return row ? std::optional(row->step) : std::nullopt;
  }
  const std::vector<std::string_view> fields = fields_of(line);
  if (fields.size() != columns_of(header)) return std::nullopt;
  Numbers numbers(fields);
  const auto step = numbers.take<std::int64_t>(0);
  for (std::size_t column = 2; column < fields.size(); ++column) numbers.take<double>(column);
  return numbers.are_good() ? std::optional(step) : std::nullopt;
}

std::string with_validation(std::string_view line, double val_loss) {
  std::vector<std::string_view> fields = fields_of(line);
  const std::string text = short_number(val_loss);
  fields.at(val_loss_column) = text;
  return fmt::format("{}", fmt::join(fields, ","));
}

std::vector<std::string_view> lines_below(const std::string& table, std::string_view header,
                                          const std::string& path) {
  std::vector<std::string_view> lines;
  std::string_view rest = table;
  if (header.starts_with(rest)) return lines;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  if (without_return(lines.front()) != header)
    fail(
        exit_code,
        "{}: line 1: expected the header \"{}\", found \"{}\"; put the header there again, or move "
        "the file elsewhere",
        path, header, lines.front().substr(0, 2 * header.size()));
  lines.erase(lines.begin());
  return lines;
}

std::vector<MetricsRow> read_metrics(const std::string& path) {
  std::vector<MetricsRow> rows;
  if (!exists(path)) return rows;
  const std::string table = read_text(path);
  for (const std::string_view line : lines_below(table, metrics_header, path))
    if (const auto row = metrics_row(line)) rows.push_back(*row);
  return rows;
}

std::optional<MetricsRow> last_row_of(const std::string& path) {
  if (!exists(path)) return std::nullopt;
  const std::string tail = read_end(path);
  std::string_view rest = tail;
  while (!rest.empty()) {
    if (rest.ends_with('\n')) rest.remove_suffix(1);
    const std::size_t before = rest.rfind('\n');
    const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
    if (const auto row = metrics_row(rest.substr(start))) return row;
    rest = rest.substr(0, start);
  }
  return std::nullopt;
}

std::string missing_steps(const std::vector<std::int64_t>& steps, std::int64_t last) {
  std::vector<std::string> gaps;
  std::int64_t next = 0;
  const auto note = [&](std::int64_t end) {  // next .. end - 1 are missing
    if (end == next + 1) gaps.push_back(fmt::format("{}", next));
    else if (end > next) gaps.push_back(fmt::format("{} to {}", next, end - 1));
  };
  for (const std::int64_t step : steps) {
    if (step > last) break;
    note(step);
    next = std::max(next, step + 1);
  }
  note(last + 1);
  constexpr std::size_t most = 5;
  const bool are_many = gaps.size() > most;
  if (are_many) gaps.resize(most);
  return fmt::format("{}{}", fmt::join(gaps, ", "), are_many ? ", ..." : "");
}

}  // namespace dfascale
