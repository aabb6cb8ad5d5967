// The accountings C(N, D) and the cleaning of a run, in the order that the results document.
#include "analysis/clean.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

namespace dfascale::fit {
namespace {

/// FLOP per parameter and token that the paper assumes; nothing for an unknown family.
std::optional<double> table_factor(const std::string& method_family) {
  static const std::map<std::string, double> factors = {{"bp", 6}, {"dfa", 4}, {"shallow", 2}};
  const auto found = factors.find(method_family);
  if (found == factors.end()) return std::nullopt;
  return found->second;
}

/// f of C = f N D under the accounting; warns once per method of no known family.
class Factors {
 public:
  Factors(const Options& options, Warnings& warnings) : options_(options), warnings_(warnings) {}

  double of(const InputRun& run) {
    const std::string kin = family(run.method);
    if (options_.accounting == Accounting::exact || options_.accounting == Accounting::seconds)
      return table_factor(kin).value_or(6);
    if (const auto given = options_.factors.find(run.method); given != options_.factors.end())
      return given->second;
    const bool optimistic_dfa = options_.accounting == Accounting::optimistic && kin == "dfa";
    if (run.paper_factor && !optimistic_dfa) return *run.paper_factor;
    if (optimistic_dfa) return 2;
    if (!table_factor(kin) && warned_.insert(run.method).second)
      warnings_.push_back({"unknown_method_factor", run.method, "", {}});
    return table_factor(kin).value_or(6);
  }

 private:
  const Options& options_;
  Warnings& warnings_;
  std::set<std::string> warned_;
};

/// Tokens and compute of a row; blank where they cannot be had.
void account(InputRow& row, double factor_times_params, Accounting accounting) {
  const bool has_flop = accounting != Accounting::seconds && !row.lacks(InputRow::cost_column);
  if (row.lacks(InputRow::tokens_column) && has_flop) {
    row.tokens = row.cost / factor_times_params;
    row.blank &= static_cast<std::uint8_t>(~InputRow::tokens_column);
  }
  if (accounting == Accounting::exact || accounting == Accounting::seconds) return;
  row.cost = factor_times_params * row.tokens;
  row.blank &= static_cast<std::uint8_t>(~InputRow::cost_column);
  if (row.lacks(InputRow::tokens_column)) row.blank |= InputRow::cost_column;
}

/// Cleaning of one run; each step is one function, called in this order.
class Cleaner {
 public:
  Cleaner(const InputRun& run, Warnings& warnings) : run_(run), warnings_(warnings) {}

  std::vector<Row> rows(double factor, const Options& options) {
    drop_blank(factor, options.accounting);
    keep_last_of_equal_tokens();
    sort_and_cut_divergence();
    drop_nonpositive();
    if (!compute_increases()) return {};
    drop_warmup(options.warmup_frac);
    if (rows_.empty()) warn("empty_run", 0);
    return std::move(rows_);
  }

 private:
  void warn(const char* code, std::int64_t count) {
    warnings_.push_back({code, run_.method, run_.name,
                         count > 0 ? std::optional<std::int64_t>(count) : std::nullopt});
  }
  void warn_if(const char* code, std::int64_t count) {
    if (count > 0) warn(code, count);
  }

  void drop_blank(double factor, Accounting accounting) {
    std::int64_t blank = 0;
    rows_.reserve(run_.rows.size());
    for (InputRow row : run_.rows) {
      account(row, factor * run_.params, accounting);
      if (row.blank) ++blank;
      else rows_.push_back({row.tokens, row.cost, row.loss});
    }
    warn_if("blank", blank);
  }

  static bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

  void keep_last_of_equal_tokens() {
    std::unordered_map<double, std::size_t> place;
    place.reserve(rows_.size());
    std::vector<Row> kept;
    kept.reserve(rows_.size());
    std::int64_t equal = 0, conflicts = 0;
    for (const Row& row : rows_) {
      const auto [entry, is_new] = place.try_emplace(row.tokens, kept.size());
      if (is_new) {
        kept.push_back(row);
        continue;
      }
      Row& before = kept[entry->second];
      ++(same(before.compute, row.compute) && same(before.loss, row.loss) ? equal : conflicts);
      before = row;
    }
    rows_ = std::move(kept);
    warn_if("duplicate", equal);
    warn_if("duplicate_conflict", conflicts);
  }

  void sort_and_cut_divergence() {
    const auto number = [](const Row& row) { return !std::isnan(row.tokens); };
    const auto end = std::stable_partition(rows_.begin(), rows_.end(), number);
    std::stable_sort(rows_.begin(), end,
                     [](const Row& a, const Row& b) { return a.tokens < b.tokens; });
    const auto first_bad = std::find_if(rows_.begin(), rows_.end(),
                                        [](const Row& row) { return !std::isfinite(row.loss); });
    warn_if("diverged", rows_.end() - first_bad);
    rows_.erase(first_bad, rows_.end());
  }

  void drop_nonpositive() {
    const auto unusable = [](const Row& row) {
      return !(row.tokens > 0) || !(row.compute > 0) || !(row.loss > 0) ||
             !std::isfinite(row.tokens) || !std::isfinite(row.compute);
    };
    warn_if("nonpositive", static_cast<std::int64_t>(std::erase_if(rows_, unusable)));
  }

  bool compute_increases() {
    for (std::size_t i = 1; i < rows_.size(); ++i) {
      if (rows_[i].compute > rows_[i - 1].compute) continue;
      warn("compute_not_increasing", 0);
      return false;
    }
    return true;
  }

  void drop_warmup(double warmup_frac) {
    if (rows_.empty()) return;
    const double first = std::max(run_.warmup_tokens, warmup_frac * rows_.back().tokens);
    std::erase_if(rows_, [&](const Row& row) { return row.tokens < first; });
  }

  const InputRun& run_;
  Warnings& warnings_;
  std::vector<Row> rows_;
};

}  // namespace

std::string family(std::string_view method) {
  std::string letters;
  for (const char c : method) {
    const char lower = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (lower < 'a' || lower > 'z') break;
    letters += lower;
  }
  return letters;
}

std::vector<Run> clean_runs(std::vector<InputRun> inputs, const Options& options,
                            Warnings& warnings) {
  Factors factors(options, warnings);
  std::vector<Run> runs;
  for (InputRun& input : inputs) {
    Run run{input.method, input.name, input.params, {}};
    run.rows = Cleaner(input, warnings).rows(factors.of(input), options);
    input.rows = {};  // a large file is not held twice
    if (!run.rows.empty()) runs.push_back(std::move(run));
  }
  if (runs.empty())
    throw InputError("no_usable_runs",
                     inputs.empty() ? "no run of the methods asked for (check --methods)"
                                    : "every run was dropped in cleaning (blank, diverged, not "
                                      "positive, or compute not increasing)");
  return runs;
}

}  // namespace dfascale::fit
