// report.md: what was read, what was fitted, and what may be said from it.
#pragma once

#include <string>

#include "analysis/escape.hpp"
#include "analysis/results.hpp"

namespace dfascale::fit {

std::string report_md(const Results& results);

/// One plain sentence about a comparison, for the report and the screen.
std::string plain_sentence(const Results& results, const Comparison& comparison, Escape escape);

}  // namespace dfascale::fit
