// The records of one run (SPEC section 7): deck.toml, run.json, metrics.csv, alignment.csv in
// runs/NAME.  Only one rank makes one.  Whole files are replaced atomically, rows are appended in
// one write each, so a killed run leaves nothing half written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/files.hpp"

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

/// run.json.  Empty texts, lists and unset numbers are left out.
struct RunRecord {
  std::string run, method;
  std::int64_t params = 0, params_without_embeddings = 0, trained_params = 0, warmup_tokens = 0;
  double flops_per_token = 0;
  std::uint64_t seed = 0;
  std::int64_t dp = 1, pp = 1, zero = 0, micro_batches = 1;
  std::string schedule;
  std::vector<std::pair<std::string, std::string>> machine;  ///< machine_facts()
  std::vector<std::pair<std::string, double>> peak_flops;    ///< FLOP/s by how it was measured
  std::string started, finished;                             ///< UTC, utc_now()
  std::string outcome;  ///< "running", "done", "stopped", "failed: REASON"
  std::vector<std::pair<std::string, double>> results;  ///< further figures: final losses, steps
};

/// What to do when the folder already holds a run.
enum class Restarting { never, allowed };

class RunFolder {
 public:
  /// Makes the folder, checks that it can be written and takes its lock.  A folder that already
  /// holds a run is an error unless restarting is allowed.
  RunFolder(std::string path, Restarting restarting);

  const std::string& path() const { return path_; }
  std::string checkpoints() const { return path_ + "/checkpoints"; }
  std::string log_file() const { return path_ + "/log.txt"; }
  /// The outcome in run.json as found on opening; none for a new folder.
  const std::optional<std::string>& earlier_outcome() const { return earlier_outcome_; }

  void write_deck(const std::string& toml);
  void write_run(const RunRecord& record);
  void append(const MetricsRow& row);
  void append_alignment(const AlignmentRow& row);
  /// Removes the rows after `step` from both tables (-1: all rows), and a row cut short.
  void cut_after(std::int64_t step);

 private:
  std::string path_;
  FolderLock lock_;
  std::optional<std::string> earlier_outcome_;
  AppendFile metrics_, alignment_;
};

/// "2026-01-31T12:00:00Z"
std::string utc_now();
/// This node's name.
std::string host_name();
/// Host, CPU, cores, memory, system, compiler and libraries, by name.
std::vector<std::pair<std::string, std::string>> machine_facts();

}  // namespace dfascale
