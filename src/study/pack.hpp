// Packing runs over workers: longest predicted cost first, each to whoever is free.
#pragma once

#include <cstdint>
#include <vector>

namespace dfascale {

/// Numbers of the costs, largest first; equal ones keep their order.
std::vector<std::int64_t> longest_first(const std::vector<double>& costs);

/// When all are done if each worker takes the next as soon as it is free, in this order; `busy` is
/// the cost that each worker has still before it (as many entries as there are workers).
double time_to_finish(const std::vector<double>& costs_in_order, std::vector<double> busy);

}  // namespace dfascale
