// The records of one run (SPEC section 7): deck.toml, run.json, metrics.csv, alignment.csv in
// runs/NAME.  Only one rank makes one.  Whole files are replaced atomically, rows are appended in
// one write each, so a killed run leaves nothing half written.  Nothing recorded is thrown away:
// what a restart cuts is kept beside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/files.hpp"
#include "io/run_tables.hpp"

namespace dfascale {

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
  /// holds a run is an error unless restarting is allowed.  Changes no record.
  RunFolder(std::string path, Restarting restarting);

  const std::string& path() const { return path_; }
  std::string checkpoints() const { return path_ + "/checkpoints"; }
  std::string log_file() const { return path_ + "/log.txt"; }
  /// The outcome in run.json as found on opening; none for a new folder.
  const std::optional<std::string>& earlier_outcome() const { return earlier_outcome_; }

  /// Opens the tables for a run that goes on after `step` (-1: that begins).  Later rows are moved
  /// to TABLE.before-step-N; where a run begins over another's rows, so are deck.toml and run.json.
  void begin_after(std::int64_t step);
  void write_deck(const std::string& toml);
  void write_run(const RunRecord& record);
  void append(const MetricsRow& row);
  void append_alignment(const AlignmentRow& row);
  /// Whether metrics.csv has a row of this step without a validation loss.
  bool lacks_validation(std::int64_t step) const;
  /// Puts a validation loss into the last row, if that is of this step and has none.
  void add_validation(std::int64_t step, double val_loss);
  /// Whether alignment.csv has no row of this step.
  bool lacks_alignment(std::int64_t step) const;
  /// Renames a file that is about to be written anew, if it is there, to NAME.before-step-N.
  void set_aside(const std::string& name, std::int64_t step) const;

 private:
  std::string path_;
  FolderLock lock_;
  std::optional<std::string> earlier_outcome_;
  AppendFile metrics_, alignment_;
};

/// Removes what a run leaves in its folder, and the folder if nothing else is in it.
void remove_run(const std::string& folder);

/// "2026-01-31T12:00:00Z"
std::string utc_now();
/// This node's name.
std::string host_name();
/// Host, CPU, cores, memory, system, compiler and libraries, by name.
std::vector<std::pair<std::string, std::string>> machine_facts();

}  // namespace dfascale
