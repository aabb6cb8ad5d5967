// The compute-optimal frontier of one method: Pareto front of its smoothed runs, trimmed to where
// it is an envelope.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "analysis/smooth.hpp"

namespace dfascale::fit {

/// A run with the bin values of one replicate (or its own).
struct RunView {
  const BinnedRun* run;
  std::span<const double> y;
};

/// A point (x, y) = (ln C, ln L).
struct Point {
  double x;
  double y;
};

struct FrontierPoint : Point {
  const BinnedRun* owner;
};

enum class Mode { curve, point };

/// Points dropped from the ends of the Pareto front, by reason.
struct Trim {
  std::int64_t coverage_low = 0, coverage_high = 0, edge_low = 0, edge_high = 0;
};

struct Frontier {
  Mode mode = Mode::curve;
  std::vector<std::string> flags;     ///< point_mode, single_size, single_owner
  std::vector<FrontierPoint> points;  ///< untrimmed, x ascending
  std::size_t first = 0, last = 0;    ///< the trimmed part is [first, last)
  Trim trim;

  std::span<const FrontierPoint> trimmed() const {
    return std::span(points).subspan(first, last - first);
  }
  bool has_flag(std::string_view flag) const;
};

struct FrontierOptions {
  double bin;        ///< width of the grid
  double edge_keep;  ///< ln C kept beyond the first and last change of owner
};

/// Runs may repeat (bootstrap).
Frontier find_frontier(std::span<const RunView> runs, const FrontierOptions& options);

/// The trimmed frontier as plain points.
std::vector<Point> fit_points(const Frontier& frontier);

}  // namespace dfascale::fit
