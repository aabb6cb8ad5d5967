#include "io/run_folder.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/read_file.hpp"
#include "base/version.hpp"
#include "io/checkpoint.hpp"

namespace dfascale {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t schema_version = 1;
/// Lines of a table, sorted out.
struct Sorted {
  std::string kept, cut;              ///< rows up to a step; later rows, and lines that are no rows
  std::vector<std::int64_t> steps;    ///< of the rows kept
  bool has_trained_rows_cut = false;  ///< after step 0, which any run begins with
};

Sorted sort_out(const std::string& table, std::string_view header, const std::string& path,
                std::int64_t last_step) {
  Sorted sorted;
  const std::vector<std::string_view> lines = lines_below(table, header, path);
  for (const std::string_view& line : lines) {
    const std::optional<std::int64_t> step = step_of_row(line, header);
    if (step && *step <= last_step) {
      sorted.kept.append(line) += '\n';
      sorted.steps.push_back(*step);
      continue;
    }
    const bool is_cut_short = !step && &line == &lines.back() && !table.ends_with('\n');
    if (!step) log::warn("{}: left out, since it is no row: {}", path, line);
    if (is_cut_short) continue;
    sorted.cut.append(line) += '\n';
    sorted.has_trained_rows_cut |= !step || *step > 0;
  }
  return sorted;
}

std::string aside_name(const std::string& path, std::int64_t step) {
  return free_name(fmt::format("{}.before-step-{}", path, std::max<std::int64_t>(step, 0)));
}

/// Rewrites a table without the rows after `last_step`, which get a file of their own; the steps
/// that stay.
Sorted cut_table(const std::string& path, std::string_view header, std::int64_t last_step) {
  if (!exists(path)) return {};
  const std::string table = read_text(path);
  Sorted sorted = sort_out(table, header, path, last_step);
  const std::string title = std::string(header) + "\n";
  if (sorted.has_trained_rows_cut) {
    const std::string aside = aside_name(path, last_step);
    write_atomically(aside, title + sorted.cut);
    log::warn("{}: the rows that come anew are kept in {}", path, aside);
  }
  if (title + sorted.kept != table) write_atomically(path, title + sorted.kept);
  return sorted;
}

void copy_aside(const std::string& path, std::int64_t step) {
  if (exists(path)) write_atomically(aside_name(path, step), read_text(path));
}

/// Throws where a table cannot be gone on with.
void check_headers(const std::string& folder) {
  for (const auto& [name, header] :
       {std::pair{"/metrics.csv", metrics_header}, std::pair{"/alignment.csv", alignment_header}})
    if (exists(folder + name)) lines_below(read_text(folder + name), header, folder + name);
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

// A folder with a deck and no result may be used again: its run failed before the first row.
void refuse_another_run(const std::string& path, const std::optional<std::string>& outcome) {
  const CheckpointFolder checkpoints(path + "/checkpoints", 1, 0, WriterRanks::alone());
  if (read_metrics(path + "/metrics.csv").empty() && checkpoints.steps().empty()) return;
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
  check_headers(path_);
}

void RunFolder::begin_after(std::int64_t step) {
  const std::string metrics = path_ + "/metrics.csv";
  const bool is_new = !exists(metrics) && !earlier_outcome_;
  const Sorted sorted = cut_table(metrics, metrics_header, step);
  cut_table(path_ + "/alignment.csv", alignment_header, step);
  if (step < 0 && sorted.has_trained_rows_cut)
    for (const char* name : {"/deck.toml", "/run.json"}) copy_aside(path_ + name, step);
  const std::string missing = missing_steps(sorted.steps, step);
  if (!missing.empty() && !is_new)
    log::warn(
        "{}: rows of steps {} are missing; they do not come again (a run begun from another's "
        "checkpoint has none of the steps before it)",
        metrics, missing);
  metrics_ = AppendFile(metrics, metrics_header);
  alignment_ = AppendFile();
}

void RunFolder::write_deck(const std::string& toml) {
  write_atomically(path_ + "/deck.toml", toml);
}

void RunFolder::write_run(const RunRecord& record) {
  // Text from outside (paths, messages) need not be UTF-8; a record is better than an exception.
  const auto replace = Json::error_handler_t::replace;
  write_atomically(path_ + "/run.json", json_of(record).dump(2, ' ', false, replace) + "\n");
}

void RunFolder::append(const MetricsRow& row) { metrics_.append(text_of(row)); }

void RunFolder::append_alignment(const AlignmentRow& row) {
  if (alignment_.path().empty())
    alignment_ = AppendFile(path_ + "/alignment.csv", alignment_header);
  alignment_.append(text_of(row));
}

bool RunFolder::lacks_validation(std::int64_t step) const {
  return std::ranges::any_of(read_metrics(path_ + "/metrics.csv"), [&](const MetricsRow& row) {
    return row.step == step && !row.val_loss;
  });
}

// One write: whoever reads the table meanwhile finds the row without the loss or with it.
void RunFolder::add_validation(std::int64_t step, double val_loss) {
  const std::string path = path_ + "/metrics.csv", table = read_text(path);
  const std::vector<std::string_view> lines = lines_below(table, metrics_header, path);
  const auto last = lines.empty() ? std::nullopt : metrics_row(lines.back());
  if (!last || last->step != step || last->val_loss) return;
  write_at(open_to_write(path), lines.back().data() - table.data(),
           with_validation(lines.back(), val_loss) + "\n", path);
}

bool RunFolder::lacks_alignment(std::int64_t step) const {
  const std::string path = path_ + "/alignment.csv";
  if (!exists(path)) return true;
  const std::string table = read_text(path);
  return std::ranges::none_of(
      lines_below(table, alignment_header, path),
      [&](std::string_view line) { return step_of_row(line, alignment_header) == step; });
}

void RunFolder::set_aside(const std::string& name, std::int64_t step) const {
  const std::string path = path_ + "/" + name;
  if (exists(path)) rename_over(path, aside_name(path, step));
}

void remove_run(const std::string& folder) {
  remove_checkpoints(folder + "/checkpoints");
  for (const char* name : {"/deck.toml", "/run.json", "/metrics.csv", "/alignment.csv", "/log.txt",
                           "/trace.json", "/tokens.json", "/diverged.txt", "/lock"})
    remove_file(folder + name);
  remove_folder_if_empty(folder);
}

}  // namespace dfascale
