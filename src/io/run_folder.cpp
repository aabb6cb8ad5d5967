#include "io/run_folder.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/read_file.hpp"
#include "base/version.hpp"
#include "io/checkpoint.hpp"

namespace dfascale {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t schema_version = 1;
constexpr std::string_view metrics_header =
    "step,tokens,train_loss,val_loss,lr,grad_norm,flops,seconds,step_seconds,tokens_per_second,mfu";
constexpr std::string_view alignment_header = "step,tensor,cosine,norm_rule,norm_bp";

// Nine digits hold any float; blank where there is no value.
std::string short_number(const std::optional<double>& value) {
  return value ? fmt::format("{:.9g}", *value) : "";
}

// Of a whole row.
std::optional<std::int64_t> step_of(std::string_view row, std::string_view header) {
  std::int64_t step = 0;
  const auto number = std::from_chars(row.data(), row.data() + row.size(), step);
  const bool is_whole =
      number.ec == std::errc{} &&
      std::count(row.begin(), row.end(), ',') == std::count(header.begin(), header.end(), ',');
  return is_whole ? std::optional(step) : std::nullopt;
}

// Rewrites a table without the rows after last_step and without a last row cut short.
void cut_table(const std::string& path, std::string_view header, std::int64_t last_step) {
  if (!exists(path)) return;
  const std::string table = read_text(path);
  std::string kept(header);
  kept += '\n';
  for (std::size_t start = table.find('\n') + 1, end = 0; start != 0; start = end + 1) {
    end = table.find('\n', start);
    if (end == std::string::npos) break;
    const std::string_view row(table.data() + start, end - start);
    const std::optional<std::int64_t> step = step_of(row, header);
    if (!step) log::warn("{}: left out, since it is no row: {}", path, row);
    else if (*step <= last_step) kept.append(row) += '\n';
  }
  if (kept != table) write_atomically(path, kept);
}

std::optional<std::string> outcome_in(const std::string& path) {
  if (!exists(path)) return std::nullopt;
  Json record;
  if (!parse_json_or_say_why(read_small_file(path, Exit::checkpoint), record).empty())
    return "unknown";
  if (record.is_object() && record.contains("outcome") && record["outcome"].is_string())
    return record["outcome"].get<std::string>();
  return "unknown";
}

bool has_rows(const std::string& path) {
  if (!exists(path)) return false;
  const std::string table = read_text(path);
  return std::count(table.begin(), table.end(), '\n') > 1;
}

// A folder with a deck and no result may be used again: its run failed before the first row.
void refuse_another_run(const std::string& path, const std::optional<std::string>& outcome) {
  const CheckpointFolder checkpoints(path + "/checkpoints", 1, 0, WriterRanks::alone());
  if (!has_rows(path + "/metrics.csv") && checkpoints.steps().empty()) return;
  fail(
      Exit::checkpoint,
      "{}: already holds a run (outcome: {}) and run.restart = \"never\": choose another run.name, "
      "remove the folder, or continue it with run.restart = \"auto\"",
      path, outcome.value_or("unknown"));
}

template <class Value>
Json object_of(const std::vector<std::pair<std::string, Value>>& entries) {
  Json object = Json::object();
  for (const auto& [name, value] : entries) object[name] = value;
  return object;
}

Json json_of(const RunRecord& record) {
  Json json;
  json["schema_version"] = schema_version;
  json["run"] = record.run;
  json["method"] = record.method;
  json["params"] = record.params;
  json["params_without_embeddings"] = record.params_without_embeddings;
  json["trained_params"] = record.trained_params;
  json["warmup_tokens"] = record.warmup_tokens;
  json["flops_per_token"] = record.flops_per_token;
  json["seed"] = record.seed;
  json["version"] = version();
  json["revision"] = git_revision();
  json["layout"] = {{"dp", record.dp},
                    {"pp", record.pp},
                    {"zero", record.zero},
                    {"micro_batches", record.micro_batches}};
  if (!record.schedule.empty()) json["layout"]["schedule"] = record.schedule;
  if (!record.machine.empty()) json["machine"] = object_of(record.machine);
  if (!record.peak_flops.empty()) json["peak_flops"] = object_of(record.peak_flops);
  if (!record.results.empty()) json["results"] = object_of(record.results);
  if (!record.started.empty()) json["started"] = record.started;
  if (!record.finished.empty()) json["finished"] = record.finished;
  json["outcome"] = record.outcome;
  return json;
}

}  // namespace

RunFolder::RunFolder(std::string path, Restarting restarting) : path_(std::move(path)) {
  make_folder(path_);
  check_folder_writable(path_);
  lock_ = FolderLock(path_);
  earlier_outcome_ = outcome_in(path_ + "/run.json");
  if (restarting == Restarting::never) refuse_another_run(path_, earlier_outcome_);
  cut_after(std::numeric_limits<std::int64_t>::max());
}

void RunFolder::write_deck(const std::string& toml) {
  write_atomically(path_ + "/deck.toml", toml);
}

void RunFolder::write_run(const RunRecord& record) {
  // Text from outside (paths, messages) need not be UTF-8; a record is better than an exception.
  const auto replace = Json::error_handler_t::replace;
  write_atomically(path_ + "/run.json", json_of(record).dump(2, ' ', false, replace) + "\n");
}

void RunFolder::append(const MetricsRow& row) {
  metrics_.append(fmt::format("{},{},{},{},{},{},{:.17g},{:.17g},{},{},{}", row.step, row.tokens,
                              short_number(row.train_loss), short_number(row.val_loss),
                              short_number(row.lr), short_number(row.grad_norm), row.flops,
                              row.seconds, short_number(row.step_seconds),
                              short_number(row.tokens_per_second), short_number(row.mfu)));
}

void RunFolder::append_alignment(const AlignmentRow& row) {
  if (alignment_.path().empty())
    alignment_ = AppendFile(path_ + "/alignment.csv", alignment_header);
  alignment_.append(fmt::format("{},{},{:.9g},{:.9g},{:.9g}", row.step, row.tensor, row.cosine,
                                row.norm_rule, row.norm_bp));
}

void RunFolder::cut_after(std::int64_t step) {
  cut_table(path_ + "/metrics.csv", metrics_header, step);
  cut_table(path_ + "/alignment.csv", alignment_header, step);
  metrics_ = AppendFile(path_ + "/metrics.csv", metrics_header);
  alignment_ = AppendFile();
}

}  // namespace dfascale
