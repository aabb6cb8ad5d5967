// Words and numbers as people read them: method names, powers of ten, intervals.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analysis/escape.hpp"
#include "analysis/results.hpp"

namespace dfascale::fit {

/// bp -> BP, dfa -> DFA, shallow -> Shallow; other names as they are, a method that is itself
/// called BP in quotation marks.
std::string display_name(std::string_view method);

/// 0.517, 3.9×10⁴: `digits` significant ones; "–" for nothing.
std::string pretty(const std::optional<double>& value, int digits = 3);
/// -0.0705 with fixed decimals; "–" for nothing.
std::string fixed(const std::optional<double>& value, int decimals);
/// "−0.0705 (−0.0712 to −0.0698)".
std::string fixed_with(double value, const std::optional<Interval>& interval, int decimals);
/// 270 k, 1.3 M, 57 M, 1.2 G.
std::string short_count(double count);
/// 10^x as 3.9×10⁴, for any x; plain where that is readable.
std::string power_of_ten(double log10_value);

/// What C is under the accounting, in one sentence.
std::string accounting_sentence(const Options& options, Escape escape);
/// "PF-days" or "device-seconds".
std::string compute_unit_name(const Results& results);

/// The methods, the reference first, then the paper's, then the others by name.
std::vector<const Method*> ordered_methods(const Results& results);
/// Place of a method in that order: its look in every figure.
std::size_t place_of(const Results& results, std::string_view name);
std::string joined(std::vector<std::string> words, Escape escape = plain);

}  // namespace dfascale::fit
