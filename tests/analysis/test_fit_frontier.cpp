// Bins, smoothing, the Pareto front and its trimming.
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/frontier.hpp"

namespace dfascale::fit {
namespace {

constexpr SmoothingOptions smoothing{0.05, 0.6};
constexpr double rounding = 1e-12;

/// A run with ln L = f(ln C) at equidistant ln C.
template <class F>
Run run_along(const std::string& name, double params, double from, double to, double step, F f) {
  fit::Run run{"bp", name, params, {}};
  const auto count = static_cast<int>(std::round((to - from) / step));
  for (int i = 0; i <= count; ++i) {
    const double x = from + i * step;
    run.rows.push_back({std::exp(x) / params, std::exp(x), std::exp(f(x))});
  }
  return run;
}

std::vector<RunView> views_of(const std::vector<BinnedRun>& runs,
                              std::vector<std::vector<double>>& values) {
  values.clear();
  for (const BinnedRun& run : runs) values.push_back(run.y());
  std::vector<RunView> views;
  for (std::size_t i = 0; i < runs.size(); ++i) views.push_back({&runs[i], values[i]});
  return views;
}

TEST(FitSmooth, BinsAverageRowsOnTheAbsoluteGrid) {
  fit::Run run{"bp", "r", 1, {}};
  for (const double x : {1.001, 1.049, 1.06}) run.rows.push_back({std::exp(x), std::exp(x), x});
  const BinnedRun binned = bin_and_smooth(run, smoothing);
  ASSERT_EQ(binned.bins.size(), 2U);
  EXPECT_EQ(binned.bins[0].k, 20);
  EXPECT_EQ(binned.bins[0].count, 2);
  EXPECT_NEAR(binned.bins[0].x, 1.025, rounding);
  EXPECT_NEAR(binned.bins[0].y, std::log(1.025), rounding) << "ln of the mean loss";
  EXPECT_FALSE(binned.is_curve()) << "two bins are a point run";
}

TEST(FitSmooth, LineIsReproducedExactlyAlsoInGaps) {
  const auto line = [](double x) { return 1 - 0.07 * x; };
  const BinnedRun binned = bin_and_smooth(run_along("r", 1, 30, 34, 0.23, line), smoothing);
  ASSERT_TRUE(binned.is_curve());
  const std::vector<double> y = binned.y();
  EXPECT_EQ(binned.grid.size(),
            static_cast<std::size_t>(binned.bins.back().k - binned.bins.front().k + 1));
  for (std::size_t i = 0; i < binned.grid.size(); ++i)
    EXPECT_NEAR(binned.at_grid.value(i, y), line(grid_centre(binned.grid[i], 0.05)), 1e-10);
  for (std::size_t j = 0; j < binned.bins.size(); ++j)
    EXPECT_NEAR(binned.at_bins.value(j, y), y[j], 1e-10);
}

TEST(FitSmooth, NoValueWhereNoLineAndNoBin) {
  const auto flat = [](double) { return 1.0; };
  const BinnedRun binned = bin_and_smooth(run_along("r", 1, 30, 36, 2, flat), smoothing);
  ASSERT_EQ(binned.bins.size(), 4U);
  EXPECT_EQ(binned.grid.size(), 4U) << "only the bins themselves: neighbours are out of reach";
}

/// Two sizes: the small one is better below x = 32, the large one above.
std::vector<BinnedRun> two_sizes() {
  const auto small = [](double x) { return 1.0 - 0.05 * (x - 32); };
  const auto large = [](double x) { return 1.0 - 0.09 * (x - 32); };
  return {bin_and_smooth(run_along("s", 1e6, 28, 35, 0.05, small), smoothing),
          bin_and_smooth(run_along("l", 2e6, 29, 36, 0.05, large), smoothing)};
}

TEST(FitFrontier, ParetoOwnersAndTrims) {
  const auto runs = two_sizes();
  std::vector<std::vector<double>> values;
  const Frontier f = find_frontier(views_of(runs, values), {0.05, 0.7});
  EXPECT_EQ(f.mode, Mode::curve);
  EXPECT_TRUE(f.flags.empty());
  for (std::size_t i = 1; i < f.points.size(); ++i) {
    EXPECT_GT(f.points[i].x, f.points[i - 1].x);
    EXPECT_LT(f.points[i].y, f.points[i - 1].y);
  }
  for (const FrontierPoint& p : f.points) EXPECT_EQ(p.owner->params, p.x < 32 ? 1e6 : 2e6) << p.x;
  // covered by both sizes: 29 to 35; the owner changes at 32: 0.7 kept on each side
  const auto kept = f.trimmed();
  EXPECT_NEAR(kept.front().x, 32 - 0.7, 0.06);
  EXPECT_NEAR(kept.back().x, 32 + 0.7, 0.06);
  EXPECT_EQ(f.trim.coverage_low, 20);
  EXPECT_EQ(f.trim.coverage_high, 20);
  EXPECT_EQ(f.trim.edge_low + f.trim.edge_high + f.trim.coverage_low + f.trim.coverage_high +
                static_cast<std::int64_t>(kept.size()),
            static_cast<std::int64_t>(f.points.size()));
}

TEST(FitFrontier, SingleSizeAndSingleOwner) {
  std::vector<BinnedRun> runs = two_sizes();
  std::vector<std::vector<double>> values;
  const std::vector<RunView> views = views_of(runs, values);
  const Frontier alone = find_frontier(std::span(views).first(1), {0.05, 0.7});
  EXPECT_TRUE(alone.has_flag("single_size"));
  EXPECT_EQ(alone.trimmed().size(), alone.points.size());

  for (double& y : values[1]) y += 10;  // the large size is never on the frontier
  const Frontier owned = find_frontier(views, {0.05, 0.7});
  EXPECT_TRUE(owned.has_flag("single_owner"));
  EXPECT_EQ(owned.trim.edge_low, 0);
  EXPECT_GT(owned.trim.coverage_low, 0);
}

TEST(FitFrontier, PointRunsAreTheirOwnCandidates) {
  std::vector<BinnedRun> runs;
  for (int i = 0; i < 6; ++i) {
    fit::Run run{"bp", std::to_string(i), 1e6 * (1 + i % 3), {}};
    run.rows.push_back({1, std::exp(30 + i), i == 3 ? 9.0 : 4.0 - 0.1 * i});
    runs.push_back(bin_and_smooth(run, smoothing));
  }
  std::vector<std::vector<double>> values;
  const Frontier f = find_frontier(views_of(runs, values), {0.05, 0.7});
  EXPECT_EQ(f.mode, Mode::point);
  EXPECT_TRUE(f.has_flag("point_mode"));
  EXPECT_EQ(f.points.size(), 5U) << "the outlier above the front is not kept";
  EXPECT_EQ(f.trimmed().size(), 5U);
}

TEST(FitFrontier, TiesGoToTheSmallerModelThenTheName) {
  const auto line = [](double x) { return 1 - 0.05 * x; };
  const std::vector<BinnedRun> runs = {
      bin_and_smooth(run_along("b", 1e6, 30, 32, 0.05, line), smoothing),
      bin_and_smooth(run_along("a", 1e6, 30, 32, 0.05, line), smoothing),
      bin_and_smooth(run_along("0", 2e6, 30, 32, 0.05, line), smoothing)};
  std::vector<std::vector<double>> values;
  const Frontier f = find_frontier(views_of(runs, values), {0.05, 0.7});
  for (const FrontierPoint& p : f.points) EXPECT_EQ(p.owner->name, "a");
}

}  // namespace
}  // namespace dfascale::fit
