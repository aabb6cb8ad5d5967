// How fast runs train, measured by the runs themselves: small models reach less of a core's FLOP/s
// than large ones, and each rule another share.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "study/run_state.hpp"

namespace dfascale {

class Rates {
 public:
  /// FLOP and seconds that a run has spent.
  void add(const StudyRun& run, const RunState& state);
  /// FLOP/s: of the same rule and size if there is one, else of the rule, of the size, of all;
  /// nothing before anything was measured.
  std::optional<double> of(const StudyRun& run) const;
  /// Seconds that the rest of the run will take on one worker, with its validations and start.
  std::optional<double> seconds_left(const StudyRun& run, const RunState& state) const;

 private:
  struct Sum {
    double flops = 0, seconds = 0;
  };
  std::map<std::pair<std::string, std::string>, Sum> sums_;  ///< method, size; empty: any
};

}  // namespace dfascale
