#include "pipeline/split.hpp"

#include <algorithm>
#include <limits>

namespace dfascale {

std::vector<std::int64_t> balanced_split(const std::vector<double>& block_costs, double head,
                                         std::int64_t stages, HeadAlone head_alone) {
  const auto L = static_cast<std::int64_t>(block_costs.size());
  std::vector<double> up_to(static_cast<std::size_t>(L) + 1, 0.0);
  for (std::size_t l = 0; l < block_costs.size(); ++l) up_to[l + 1] = up_to[l] + block_costs[l];
  const auto cost = [&](std::int64_t first, std::int64_t end) {
    return up_to[static_cast<std::size_t>(end)] - up_to[static_cast<std::size_t>(first)];
  };
  // best[s][n]: the slowest of s stages that hold the first n blocks; from[s][n] where the last of
  // them begins.
  constexpr double never = std::numeric_limits<double>::infinity();
  const std::size_t width = static_cast<std::size_t>(L) + 1;
  std::vector<std::vector<double>> best(static_cast<std::size_t>(stages) + 1,
                                        std::vector<double>(width, never));
  std::vector<std::vector<std::int64_t>> from(best.size(), std::vector<std::int64_t>(width, 0));
  best[0][0] = 0;
  for (std::size_t s = 1; s < best.size(); ++s) {
    const bool is_last = s + 1 == best.size();
    const bool may_be_empty = head_alone == HeadAlone::allowed && is_last && s > 1;
    for (std::int64_t n = static_cast<std::int64_t>(s); n <= L; ++n) {
      for (std::int64_t first = static_cast<std::int64_t>(s) - 1;
           first < n || (first == L && may_be_empty); ++first) {
        const double slowest = std::max(best[s - 1][static_cast<std::size_t>(first)],
                                        cost(first, n) + (is_last ? head : 0));
        if (slowest >= best[s][static_cast<std::size_t>(n)]) continue;
        best[s][static_cast<std::size_t>(n)] = slowest;
        from[s][static_cast<std::size_t>(n)] = first;
      }
    }
  }
  std::vector<std::int64_t> blocks(static_cast<std::size_t>(stages));
  std::int64_t end = L;
  for (std::size_t s = best.size() - 1; s >= 1; --s) {
    const std::int64_t first = from[s][static_cast<std::size_t>(end)];
    blocks[s - 1] = end - first;
    end = first;
  }
  return blocks;
}

}  // namespace dfascale
