// Smoothing of one run in x = ln C: bins on an absolute grid, then a local line with tricube
// weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "analysis/clean.hpp"

namespace dfascale::fit {

/// One occupied bin [k, k+1) * width of ln C.
struct Bin {
  std::int64_t k;
  double x;           ///< mean ln C
  double log_tokens;  ///< mean ln D
  double y;           ///< ln of the mean loss
  double count;       ///< rows in it
};

/// The smoother is linear in y, and its weights depend on x only: they are computed once and every
/// bootstrap replicate is a few multiply-adds.  Value i = sum_j weight[i][j] y[first[i] + j].
class LinearMap {
 public:
  void add(std::size_t first, std::span<const double> weights);
  std::size_t size() const { return first_.size(); }
  double value(std::size_t i, std::span<const double> y) const;

 private:
  std::vector<std::size_t> first_;
  std::vector<std::size_t> offset_{0};
  std::vector<double> weights_;
};

struct SmoothingOptions {
  double bin;  ///< width
  double h;    ///< half width of the window
};

/// A run reduced to its bins, with its smoother where it is a curve run (3 bins or more).
struct BinnedRun {
  std::string name;
  double params = 0;  ///< N
  std::vector<Bin> bins;
  std::vector<std::int64_t> grid;  ///< k of the grid centres that have a value; empty: point run
  LinearMap at_grid;               ///< bins -> values at the centres
  LinearMap at_bins;               ///< bins -> fitted values at the bins' own x

  bool is_curve() const { return !grid.empty(); }
  std::vector<double> y() const;
};

/// x of a grid centre; the same double for every run.
inline double grid_centre(std::int64_t k, double bin) {
  return (static_cast<double>(k) + 0.5) * bin;
}

BinnedRun bin_and_smooth(const Run& run, const SmoothingOptions& options);

}  // namespace dfascale::fit
