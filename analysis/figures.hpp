// The figures: fig1_outcomes, fig3_frontier, breakeven; where run folders hold what they need also
// accountings, learning_rate and alignment.
#pragma once

#include <filesystem>

#include "analysis/results.hpp"

namespace dfascale::fit {

/// Whether gnuplot drew it; a figure with nothing to show is not made.
enum class Drawn { yes, no_gnuplot, nothing_to_show };

/// Loss against compute: every smoothed run, the frontiers, the fitted curves (the paper's Figure
/// 3).
Drawn draw_frontier(const Results& results, const std::filesystem::path& folder);
/// The four scenarios A-D; those that were found are shaded by the better method (Figure 1).
Drawn draw_outcomes(const Results& results, const std::filesystem::path& folder);
/// M(C) with its 95 % band.
Drawn draw_break_even(const Results& results, const std::filesystem::path& folder);

/// The frontiers under the four accountings, seconds as FLOP by the measured peak.
Drawn draw_accountings(const Results& results, const std::filesystem::path& folder);
/// Final loss against learning rate, where a method and size has three rates or more: a panel for
/// each method.
Drawn draw_learning_rates(const Results& results, const std::filesystem::path& folder);
/// Cosine of the rule's gradient with backpropagation's over training, the largest run of each
/// method.
Drawn draw_alignment(const Results& results, const std::filesystem::path& folder);

}  // namespace dfascale::fit
