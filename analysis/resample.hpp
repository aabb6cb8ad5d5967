// What one replicate's data are: runs drawn again, or every run with new residuals.
#pragma once

#include "analysis/bootstrap.hpp"
#include "analysis/random.hpp"

namespace dfascale::fit {

/// The parts of the resampling that all replicates share; thread-safe once built.
class Resampler {
 public:
  Resampler(const Method& method, BootstrapKind kind);

  /// Runs of one replicate; `values` keeps their bin values alive.
  std::vector<RunView> draw(Stream& random, std::vector<std::vector<double>>& values) const;

 private:
  /// A run's fitted bins and what is left.
  struct Residuals {
    std::vector<double> fitted, left;
    double sd = 0;
  };

  std::vector<RunView> draw_runs(Stream& random) const;
  void redraw(std::size_t run, Stream& random, std::vector<double>& y) const;

  const Method& method_;
  BootstrapKind kind_;
  std::vector<std::vector<double>> own_;          ///< bin values of each run
  std::vector<Residuals> residuals_;              ///< block and parametric
  std::vector<std::vector<std::size_t>> strata_;  ///< seed: runs of a size; pairs: all runs
};

}  // namespace dfascale::fit
