// Blocks dealt out to stages: as good as the best of all splits.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "pipeline/split.hpp"

namespace dfascale::test {
namespace {

double slowest(const std::vector<double>& costs, double head,
               const std::vector<std::int64_t>& split) {
  double worst = 0;
  std::size_t first = 0;
  for (std::size_t s = 0; s < split.size(); ++s) {
    const std::size_t end = first + static_cast<std::size_t>(split[s]);
    double sum = s + 1 == split.size() ? head : 0;
    for (std::size_t l = first; l < end; ++l) sum += costs[l];
    worst = std::max(worst, sum);
    first = end;
  }
  return worst;
}

/// By trying them all.
double best_slowest(const std::vector<double>& costs, double head, std::int64_t stages) {
  std::vector<bool> cut(costs.size() - 1, false);
  std::fill(cut.end() - (stages - 1), cut.end(), true);
  double best = std::numeric_limits<double>::infinity();
  do {
    std::vector<std::int64_t> split = {1};
    for (const bool here : cut) {
      if (here) split.push_back(0);
      ++split.back();
    }
    best = std::min(best, slowest(costs, head, split));
  } while (std::next_permutation(cut.begin(), cut.end()));
  return best;
}

TEST(Split, NoOtherSplitHasAFasterSlowestStage) {
  for (const double head : {0.0, 0.5, 3.0, 20.0})
    for (std::int64_t L = 1; L <= 9; ++L)
      for (std::int64_t stages = 1; stages <= L; ++stages) {
        std::vector<double> costs;
        for (std::int64_t l = 0; l < L; ++l)
          costs.push_back(1 + static_cast<double>(l * l % 5) / 3);
        const std::vector<std::int64_t> split = balanced_split(costs, head, stages);
        ASSERT_EQ(static_cast<std::int64_t>(split.size()), stages);
        EXPECT_EQ(std::accumulate(split.begin(), split.end(), std::int64_t{0}), L);
        EXPECT_GE(*std::min_element(split.begin(), split.end()), 1);
        EXPECT_DOUBLE_EQ(slowest(costs, head, split), best_slowest(costs, head, stages));
      }
}

TEST(Split, TheHeadIsCounted) {
  // Seven equal blocks and a projector that weighs as much as all of them.
  EXPECT_EQ(balanced_split(std::vector<double>(7, 1.0), 7.4, 2), (std::vector<std::int64_t>{6, 1}));
  EXPECT_EQ(balanced_split(std::vector<double>(18, 1.0), 3.0, 3),
            (std::vector<std::int64_t>{7, 7, 4}));
}

}  // namespace
}  // namespace dfascale::test
