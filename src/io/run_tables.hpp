// The tables of a run, metrics.csv and alignment.csv: how their rows are written and read.  Every
// reader of them outside dfascale-fit is here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dfascale {

/// A row of metrics.csv: cumulative columns after `step` updates; blank where not evaluated.
struct MetricsRow {
  std::int64_t step = 0, tokens = 0;
  std::optional<double> train_loss, val_loss, lr, grad_norm;
  double flops = 0, seconds = 0;
  std::optional<double> step_seconds, tokens_per_second, mfu;
};

/// A row of alignment.csv; tensor is a parameter's name, a block ("blocks.3") or "all".
struct AlignmentRow {
  std::int64_t step = 0;
  std::string tensor;
  double cosine = 0, norm_rule = 0, norm_bp = 0;
};

constexpr std::string_view metrics_header =
    "step,tokens,train_loss,val_loss,lr,grad_norm,flops,seconds,step_seconds,tokens_per_second,mfu";
constexpr std::string_view alignment_header = "step,tensor,cosine,norm_rule,norm_bp";

/// Rows as text, without the line's end.
std::string text_of(const MetricsRow& row);
std::string text_of(const AlignmentRow& row);

/// Reads a line of metrics.csv; none if it is no whole row.
std::optional<MetricsRow> metrics_row(std::string_view line);
/// Reads the step of a line of either table; none if the line is no whole row of that header.
std::optional<std::int64_t> step_of_row(std::string_view line, std::string_view header);
/// A row of metrics.csv with a validation loss in its column; the other columns keep their text.
std::string with_validation(std::string_view line, double val_loss);

/// The lines below a table's header, the last one whether or not it has an end.  Views into
/// `table`. None for an empty file, or one that a crash left with a part of its header.  Throws
/// Error(Exit::checkpoint), naming `path`, where the first line is not the header.
std::vector<std::string_view> lines_below(const std::string& table, std::string_view header,
                                          const std::string& path);

/// The rows of a metrics.csv that may be growing; lines that are no rows are left out.  None if
/// there is no such file.
std::vector<MetricsRow> read_metrics(const std::string& path);
/// The last row; reads the end of the file only.
std::optional<MetricsRow> last_row_of(const std::string& path);

/// "8 to 20, 31": steps from 0 to `last` that rows ascending by step lack; empty if none.
std::string missing_steps(const std::vector<std::int64_t>& steps, std::int64_t last);

}  // namespace dfascale
