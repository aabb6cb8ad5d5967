#include "train/cadence.hpp"

#include <algorithm>
#include <cmath>

namespace dfascale {
namespace {

/// Log-spaced, rounded, each once: fewer than `divisions` where several round to one step.
std::vector<std::int64_t> spaced(std::int64_t steps, std::int64_t divisions) {
  std::vector<std::int64_t> at;
  for (std::int64_t i = 0; i < divisions; ++i) {
    const double share =
        divisions == 1 ? 1.0 : static_cast<double>(i) / static_cast<double>(divisions - 1);
    const auto step =
        static_cast<std::int64_t>(std::llround(std::pow(static_cast<double>(steps), share)));
    if (at.empty() || step > at.back()) at.push_back(step);
  }
  return at;
}

}  // namespace

std::vector<std::int64_t> validation_steps(std::int64_t steps, std::int64_t points) {
  points = std::min(points, steps);
  if (points <= 0) return {};
  // Early steps are further apart than the logarithm asks for: divide finer until enough distinct
  // steps remain.
  std::int64_t divisions = points;
  std::vector<std::int64_t> at = spaced(steps, divisions);
  while (static_cast<std::int64_t>(at.size()) < points) {
    divisions += std::max<std::int64_t>(1, divisions / 8);
    at = spaced(steps, divisions);
  }
  return at;
}

}  // namespace dfascale
