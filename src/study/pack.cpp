#include "study/pack.hpp"

#include <algorithm>
#include <numeric>

namespace dfascale {

std::vector<std::int64_t> longest_first(const std::vector<double>& costs) {
  std::vector<std::int64_t> order(costs.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int64_t a, std::int64_t b) {
    return costs[static_cast<std::size_t>(a)] > costs[static_cast<std::size_t>(b)];
  });
  return order;
}

double time_to_finish(const std::vector<double>& costs_in_order, std::vector<double> busy) {
  for (const double cost : costs_in_order) *std::ranges::min_element(busy) += cost;
  return busy.empty() ? 0 : *std::ranges::max_element(busy);
}

}  // namespace dfascale
