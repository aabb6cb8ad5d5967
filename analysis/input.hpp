// Runs as they stand in the files: run folders and long CSV, before any cleaning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/options.hpp"

namespace dfascale::fit {

/// One line of a metrics file.  `cost` is the column the accounting needs: cumulative FLOP
/// (`compute`, `flops`) or device-seconds.
struct InputRow {
  enum Column : std::uint8_t { tokens_column = 1, cost_column = 2, loss_column = 4 };
  double tokens = 0;
  double cost = 0;
  double loss = 0;
  std::uint8_t blank = tokens_column | cost_column | loss_column;  ///< columns without a value

  bool lacks(Column column) const { return (blank & column) != 0; }
};

/// One training run; (method, name) identifies it.
struct InputRun {
  std::string method;
  std::string name;
  double params = 0;  ///< N
  double warmup_tokens = 0;
  std::optional<double> paper_factor = {};
  std::vector<InputRow> rows = {};  ///< in file order
  /// Of a run folder; empty and unset for a run of a long CSV.
  std::string folder = {};
  bool is_running = false;                ///< its record says so: the last row may lack digits
  std::optional<double> peak_flops = {};  ///< FLOP/s of one device, the best measured
};

/// Reads every input named in the options and keeps the methods asked for.  Throws InputError.
std::vector<InputRun> read_inputs(const Options& options);

}  // namespace dfascale::fit
