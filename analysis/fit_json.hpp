// fit.json, schema dfascale-fit/1, and frontier.csv.
#pragma once

#include <string>

#include "analysis/results.hpp"

namespace dfascale::fit {

/// The document, indented; equal results give equal bytes.
std::string fit_json(const Results& results);

/// method,run,params,compute,loss,in_fit of the untrimmed frontiers.
std::string frontier_csv(const Results& results);

}  // namespace dfascale::fit
