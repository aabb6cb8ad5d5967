// Run folders (run.json, metrics.csv) and long CSV files turned into InputRuns.
#include "analysis/input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/csv.hpp"
#include "analysis/issue.hpp"
#include "base/read_file.hpp"
#include "base/text.hpp"

namespace dfascale::fit {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Column = std::optional<std::size_t>;

/// Where tokens, cost and loss stand in a file.
struct Columns {
  Column tokens, cost, loss;

  bool has(std::size_t column) const {
    return tokens == column || cost == column || loss == column;
  }
};

InputRow read_row(const CsvReader& csv, const Columns& columns) {
  InputRow row;
  const auto take = [&](Column column, double& into, InputRow::Column which) {
    if (!column) return;
    if (const auto value = csv.number(*column)) {
      into = *value;
      row.blank &= static_cast<std::uint8_t>(~which);
    }
  };
  take(columns.tokens, row.tokens, InputRow::tokens_column);
  take(columns.cost, row.cost, InputRow::cost_column);
  take(columns.loss, row.loss, InputRow::loss_column);
  return row;
}

/// Everything read so far, found by (method, run).
class Collection {
 public:
  explicit Collection(const std::vector<std::string>& methods) : methods_(methods) {}

  bool wants(std::string_view method) const {
    return methods_.empty() ||
           std::find(methods_.begin(), methods_.end(), method) != methods_.end();
  }

  /// The run's place; a new run has no rows and params 0.
  InputRun& at(std::string_view method, std::string_view name) {
    if (last_ < runs_.size() && runs_[last_].method == method && runs_[last_].name == name)
      return runs_[last_];
    const auto [entry, is_new] =
        index_.try_emplace({std::string(method), std::string(name)}, runs_.size());
    if (is_new) runs_.push_back({std::string(method), std::string(name)});
    last_ = entry->second;
    return runs_[last_];
  }

  std::vector<InputRun> runs() && { return std::move(runs_); }

 private:
  std::vector<std::string> methods_;
  std::vector<InputRun> runs_;
  std::map<std::pair<std::string, std::string>, std::size_t> index_;
  std::size_t last_ = 0;
};

[[noreturn]] void bad_json(const fs::path& file, const std::string& detail) {
  throw InputError("bad_run_json", fmt::format("{}: {}", file.string(), detail));
}

Json read_json(const fs::path& file) {
  std::string text;
  try {
    text = read_small_file(file.string(), Exit::data);
  } catch (const Error& error) {
    throw InputError("no_such_file", error.what());
  }
  Json json;
  if (const std::string why = parse_json_or_say_why(text, json); !why.empty())
    bad_json(file, "not valid JSON: " + why);
  if (!json.is_object()) bad_json(file, "not a JSON object");
  return json;
}

std::string name_in(const Json& json, const char* key, const fs::path& file) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string() || found->get_ref<const std::string&>().empty())
    bad_json(file, fmt::format("\"{}\" must be a non-empty string", key));
  const auto& text = found->get_ref<const std::string&>();
  if (const std::string why = unfit_for_paths(text); !why.empty())
    bad_json(file, fmt::format("\"{}\" = \"{}\": {}; expected a name", key, text, why));
  return text;
}

std::optional<double> number_in(const Json& json, const char* key, const fs::path& file) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::nullopt;
  if (!found->is_number()) bad_json(file, fmt::format("\"{}\" must be a number", key));
  return found->get<double>();
}

/// "peak_flops" is a number, or an object of numbers by how each was measured: the largest counts.
std::optional<double> peak_in(const Json& json) {
  const auto found = json.find("peak_flops");
  if (found == json.end()) return std::nullopt;
  double peak = 0;
  for (const Json& value : found->is_object() ? *found : Json::array({*found}))
    if (value.is_number()) peak = std::max(peak, value.get<double>());
  return peak > 0 ? std::optional(peak) : std::nullopt;
}

/// The head of a run folder, without its rows.
InputRun read_run_json(const fs::path& file) {
  const Json json = read_json(file);
  InputRun run;
  run.name = name_in(json, "run", file);
  run.method = name_in(json, "method", file);
  run.params = number_in(json, "params", file).value_or(0);
  if (!(run.params > 0) || !std::isfinite(run.params))
    bad_json(file, "\"params\" must be a number above 0");
  run.warmup_tokens = number_in(json, "warmup_tokens", file).value_or(0);
  run.paper_factor = number_in(json, "paper_factor", file);
  if (run.paper_factor && !(*run.paper_factor > 0))
    bad_json(file, "\"paper_factor\" must be above 0");
  const auto outcome = json.find("outcome");
  run.is_running = outcome != json.end() && *outcome == "running";
  run.folder = file.parent_path().string();
  run.peak_flops = peak_in(json);
  return run;
}

Columns folder_columns(const CsvReader& csv, const Options& options) {
  Columns columns;
  columns.tokens = csv.required_column("tokens");
  columns.loss = csv.required_column(options.loss == Loss::train ? "train_loss" : "val_loss");
  if (options.accounting == Accounting::exact) columns.cost = csv.required_column("flops");
  if (options.accounting == Accounting::seconds) columns.cost = csv.required_column("seconds");
  return columns;
}

void read_folder(const fs::path& folder, const Options& options, Collection& collection) {
  InputRun head = read_run_json(folder / "run.json");
  if (!collection.wants(head.method)) return;
  InputRun& run = collection.at(head.method, head.name);
  if (run.params > 0)
    throw InputError("duplicate_run",
                     fmt::format("{}: run \"{}\" of method \"{}\" was read before; rename one of "
                                 "them in its run.json",
                                 folder.string(), head.name, head.method));
  run = std::move(head);
  CsvReader csv((folder / "metrics.csv").string(), LastLine::may_be_torn);
  const Columns columns = folder_columns(csv, options);
  while (csv.next()) {
    if (run.is_running && csv.may_be_cut() && columns.has(csv.column_count() - 1)) break;
    run.rows.push_back(read_row(csv, columns));
  }
}

/// The folder itself, or its immediate sub-folders that are run folders, by name.
std::vector<fs::path> run_folders(const fs::path& folder) {
  if (!fs::exists(folder))
    throw InputError("no_such_file", fmt::format("{}: no such folder", folder.string()));
  if (fs::exists(folder / "run.json")) return {folder};
  std::vector<fs::path> found;
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder))
      if (fs::exists(entry.path() / "run.json")) found.push_back(entry.path());
  if (found.empty())
    throw InputError("no_runs", fmt::format("{}: neither it nor a folder in it has a run.json (a "
                                            "long CSV file is given by --csv)",
                                            folder.string()));
  std::sort(found.begin(), found.end());
  return found;
}

struct LongColumns {
  std::size_t run, method, params;
  Column warmup;
  Columns values;
};

LongColumns long_columns(const CsvReader& csv, const Options& options) {
  LongColumns c;
  c.run = csv.required_column("run");
  c.method = csv.required_column("method");
  c.params = csv.required_column("params");
  c.warmup = csv.column("warmup_tokens");
  c.values.loss = csv.required_column(options.loss == Loss::train ? "loss" : "val_loss");
  c.values.tokens = csv.column("tokens");
  const bool seconds = options.accounting == Accounting::seconds;
  c.values.cost = csv.column(seconds ? "seconds" : "compute");
  if (options.accounting == Accounting::exact) csv.required_column("compute");
  if (seconds) csv.required_column("seconds");
  if (!c.values.tokens && !csv.column("compute")) csv.required_column("tokens");
  return c;
}

/// Adds this row's head (method, run, N, warm-up) to the collection; nothing for an unwanted
/// method.
InputRun* run_of_row(const CsvReader& csv, const LongColumns& c, Collection& collection) {
  const std::string_view method = csv.name(c.method), name = csv.name(c.run);
  const double params = csv.number(c.params).value_or(0);
  if (!(params > 0) || !std::isfinite(params))
    throw InputError("bad_row", fmt::format("{}: params = \"{}\" must be above 0", csv.place(),
                                            csv.text(c.params)));
  if (!collection.wants(method)) return nullptr;
  InputRun& run = collection.at(method, name);
  if (run.params == 0) run.params = params;
  if (run.params != params)
    throw InputError("params_differ", fmt::format("{}: run \"{}\" of method \"{}\" has params {} "
                                                  "here and {} before",
                                                  csv.place(), name, method, params, run.params));
  if (c.warmup) run.warmup_tokens = std::max(run.warmup_tokens, csv.number(*c.warmup).value_or(0));
  return &run;
}

void read_long_csv(const std::string& path, const Options& options, Collection& collection) {
  CsvReader csv(path);
  const LongColumns columns = long_columns(csv, options);
  bool any = false;
  for (; csv.next(); any = true)
    if (InputRun* run = run_of_row(csv, columns, collection))
      run->rows.push_back(read_row(csv, columns.values));
  if (!any) throw InputError("empty_file", fmt::format("{}: a header, but no rows", path));
}

}  // namespace

std::vector<InputRun> read_inputs(const Options& options) {
  Collection collection(options.methods);
  // CSV files first: a folder whose (method, run) is known already is then a duplicate_run.
  for (const std::string& path : options.csv_files) read_long_csv(path, options, collection);
  for (const std::string& path : options.run_folders)
    for (const fs::path& folder : run_folders(path)) read_folder(folder, options, collection);
  return std::move(collection).runs();
}

}  // namespace dfascale::fit
