// Intervals that do not hold their own estimate: their replicates are biased, as with a single run
// or few points.
#pragma once

#include "analysis/results.hpp"

namespace dfascale::fit {

/// Counts a method's 95 % intervals (power, offset and surface fits) outside of which their
/// estimate lies.
std::int64_t intervals_without_estimate(const Results& results, const Method& method);

/// The same of a comparison's break-even factors.
std::int64_t intervals_without_estimate(const Comparison& comparison);

}  // namespace dfascale::fit
