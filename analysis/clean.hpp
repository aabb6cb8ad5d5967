// From rows as written to rows that can be fitted: compute by the accounting asked for, rows
// dropped by fixed rules.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/input.hpp"
#include "analysis/issue.hpp"
#include "analysis/options.hpp"

namespace dfascale::fit {

/// FLOP in a PF-day: 1e15 FLOP/s for 24 hours.
inline constexpr double pf_day = 8.64e19;

struct Row {
  double tokens;   ///< D, cumulative
  double compute;  ///< C: FLOP or device-seconds
  double loss;     ///< nat per token
};

/// A run whose rows have strictly increasing tokens and compute, and finite positive losses.
struct Run {
  std::string method;
  std::string name;
  double params;  ///< N
  std::vector<Row> rows;
};

/// Longest leading run of ASCII letters, lower-cased: "DFA-block" -> "dfa".
std::string family(std::string_view method);

/// Applies the accounting and cleans every run.  Throws no_usable_runs when none is left.
std::vector<Run> clean_runs(std::vector<InputRun> inputs, const Options& options,
                            Warnings& warnings);

}  // namespace dfascale::fit
