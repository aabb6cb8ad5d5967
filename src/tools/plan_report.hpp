// What `dfascale plan` prints: of one layout, and of a sweep.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "planning/costs.hpp"
#include "planning/sweep.hpp"

namespace dfascale {

using Json = nlohmann::ordered_json;

void say_layout(const LayoutCost& cost, const Machine& machine);
Json layout_json(const LayoutCost& cost, const Machine& machine);

/// Two rules side by side; the first is what the second is compared with.
void say_sweep(const std::vector<SweepResult>& results, const Machine& machine);
Json sweep_json(const std::vector<SweepResult>& results, const Machine& machine);

}  // namespace dfascale
