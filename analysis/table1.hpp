// table1.md: the paper's Table 1 beside ours.
#pragma once

#include <array>
#include <string>

#include "analysis/results.hpp"

namespace dfascale::fit {

/// A row of the paper's Table 1, as printed: L = (C_c C)^alpha with C_c in PF-days^-1.
struct PaperRow {
  const char* method;
  double alpha;
  double C_c;
};
inline constexpr std::array<PaperRow, 3> paper_table = {
    {{"bp", -0.071, 3.8e3}, {"dfa", -0.040, 5.1e10}, {"shallow", -0.019, 6.2e32}}};

std::string table1_md(const Results& results);

}  // namespace dfascale::fit
