// Plans and executions as text: rows of short names, and a grid of who does what when.
#pragma once

#include <cstddef>
#include <string>

#include "pipeline/execute.hpp"
#include "pipeline/plan.hpp"

namespace dfascale {

/// A rank's row around an action, which is in brackets: "rank 1: ... F2 >a2 [<g0] B0 ...".
std::string row_around(const Plan& plan, std::size_t rank, std::size_t at);

}  // namespace dfascale
