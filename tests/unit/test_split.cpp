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
double best_slowest(const std::vector<double>& costs, double head, std::int64_t stages,
                    HeadAlone head_alone) {
  std::vector<bool> cut(costs.size() - 1, false);
  std::fill(cut.end() - (stages - 1), cut.end(), true);
  double best = std::numeric_limits<double>::infinity();
  if (stages > 1 && head_alone == HeadAlone::allowed)
    best = std::max(head, best_slowest(costs, 0, stages - 1, HeadAlone::never));
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
      for (std::int64_t stages = 1; stages <= L; ++stages)
        for (const HeadAlone alone : {HeadAlone::allowed, HeadAlone::never}) {
          std::vector<double> costs;
          for (std::int64_t l = 0; l < L; ++l)
            costs.push_back(1 + static_cast<double>(l * l % 5) / 3);
          const std::vector<std::int64_t> split = balanced_split(costs, head, stages, alone);
          ASSERT_EQ(static_cast<std::int64_t>(split.size()), stages);
          EXPECT_EQ(std::accumulate(split.begin(), split.end(), std::int64_t{0}), L);
          for (std::size_t s = 0; s + 1 < split.size(); ++s) EXPECT_GE(split[s], 1);
          EXPECT_GE(split.back(), stages == 1 || alone == HeadAlone::never ? 1 : 0);
          EXPECT_DOUBLE_EQ(slowest(costs, head, split), best_slowest(costs, head, stages, alone));
        }
}

TEST(Split, TheHeadIsCounted) {
  const auto split = [](std::size_t blocks, double head, std::int64_t stages, HeadAlone alone) {
    return balanced_split(std::vector<double>(blocks, 1.0), head, stages, alone);
  };
  using Blocks = std::vector<std::int64_t>;
  // Seven equal blocks and a projector that weighs as much as all of them, or less.
  EXPECT_EQ(split(7, 7.4, 2, HeadAlone::allowed), (Blocks{7, 0}));
  EXPECT_EQ(split(7, 7.4, 2, HeadAlone::never), (Blocks{6, 1}));
  EXPECT_EQ(split(7, 4.5, 2, HeadAlone::allowed), (Blocks{6, 1}));
  EXPECT_EQ(split(18, 3.0, 3, HeadAlone::allowed), (Blocks{7, 7, 4}));
}

}  // namespace
}  // namespace dfascale::test
