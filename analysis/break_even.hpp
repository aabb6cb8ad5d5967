// M(C): how many times the reference's compute a method needs for the reference's loss.
#pragma once

#include "analysis/compare.hpp"

namespace dfascale::fit {

/// M at the low end, the middle (in ln C) and the high end of the common range.
std::vector<BreakEven> break_even(const Candidate& x, const Candidate& reference,
                                  const Comparison::Range& range, Model model);

/// ln M of two curves at ln C; nothing where X cannot reach the loss or the number is too large.
std::optional<double> log_break_even(const Curve& x, const Curve& reference, double log_C);

/// 95 % interval of M over the replicates.
std::optional<Interval> break_even_interval(const Bootstrap& x, const Bootstrap& reference,
                                            Model model, double log_C);

}  // namespace dfascale::fit
