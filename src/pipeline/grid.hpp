// Plans and executions as text: rows of short names, and a grid of who does what when.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "pipeline/execute.hpp"
#include "pipeline/plan.hpp"

namespace dfascale {

/// A rank's row around an action, which is in brackets: "rank 1: ... F2 >a2 [<g0] B0 ...".
std::string row_around(const Plan& plan, std::size_t rank, std::size_t at);

/// A line for each rank, a column for each `unit` seconds: "F0 F1 -- B0 .. F2 B1 ..", where ".."
/// goes on with what is to its left, "~~" is a message on its way, "--" idle.  With several stages
/// on a rank names carry the stage: "F0/4".  Long lines and many ranks are cut in the middle.
std::string time_grid(const Plan& plan, const std::vector<Execution::Event>& events, double unit);

}  // namespace dfascale
