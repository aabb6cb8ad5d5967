// Resampling: which kind is used, quantiles, independence of threads, and coverage of the
// intervals.
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/bootstrap.hpp"
#include "analysis/clean.hpp"
#include "analysis/parallel.hpp"
#include "analysis/resample.hpp"
#include "tests/analysis/synthetic.hpp"

namespace dfascale::fit {
namespace {

std::vector<Method> methods_of(const std::vector<InputRun>& inputs, const Options& options) {
  Warnings warnings;
  return fit_methods(clean_runs(inputs, options, warnings), options, warnings);
}

Options quick() {
  Options options;
  options.surface = Surface::skipped;
  options.bootstrap = 40;
  return options;
}

TEST(FitBootstrap, QuantilesInterpolate) {
  EXPECT_EQ(quantile({1, 2, 3, 4, 5}, 0.5), 3);
  EXPECT_NEAR(quantile({0, 10}, 0.025), 0.25, 1e-15);
  EXPECT_EQ(quantile({7}, 0.975), 7);
  std::vector<double> values(20, 1.0);
  EXPECT_TRUE(interval(values));
  values.back() = std::nan("");
  EXPECT_FALSE(interval(values)) << "19 values are too few";
}

TEST(FitBootstrap, StreamsDifferByNameReplicateAndSeed) {
  const auto first = [](std::uint64_t seed, const char* name, std::uint64_t replicate) {
    return Stream(seed, name, replicate).uniform();
  };
  EXPECT_EQ(first(1, "bp", 0), first(1, "bp", 0));
  EXPECT_NE(first(1, "bp", 0), first(2, "bp", 0));
  EXPECT_NE(first(1, "bp", 0), first(1, "dfa", 0));
  EXPECT_NE(first(1, "bp", 0), first(1, "bp", 1));
  Stream random(1, "moments", 0);
  double sum = 0, squares = 0;
  constexpr int draws = 100000;
  for (int i = 0; i < draws; ++i) {
    const double z = random.normal();
    sum += z;
    squares += z * z;
    EXPECT_LT(random.below(3), 3U);
  }
  const double four_sigma = 4 / std::sqrt(static_cast<double>(draws));
  EXPECT_NEAR(sum / draws, 0, four_sigma);
  EXPECT_NEAR(squares / draws, 1, four_sigma * std::sqrt(2.0));
}

TEST(FitBootstrap, ParallelLoopVisitsEachIndexAndPassesErrorsOn) {
  std::vector<int> visits(1000, 0);
  parallel_for(1000, 4, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
  EXPECT_EQ(visits, std::vector<int>(1000, 1));
  EXPECT_THROW(parallel_for(10, 3,
                            [](std::int64_t i) {
                              if (i == 5) throw std::runtime_error("no");
                            }),
               std::runtime_error);
}

TEST(FitBootstrap, AutomaticKind) {
  const test::TrueLaw bp{"bp", -0.07, 4.0};
  test::Sampling sampling;
  const auto kind = [&](int seeds, int points) {
    sampling.seeds = seeds;
    sampling.points = points;
    return resolve_kind(methods_of(make_study({bp}, sampling), quick()).at(0),
                        BootstrapKind::automatic);
  };
  EXPECT_EQ(kind(2, 40), BootstrapKind::block);
  EXPECT_EQ(kind(3, 40), BootstrapKind::seed);
  EXPECT_EQ(kind(3, 2), BootstrapKind::pairs);
}

TEST(FitBootstrap, ReplicatesDoNotDependOnThreads) {
  test::Sampling sampling;
  const test::TrueLaw bp{"bp", -0.07, 4.0};
  Options options = quick();
  const auto methods = methods_of(make_study({bp}, sampling), options);
  for (const BootstrapKind kind : {BootstrapKind::block, BootstrapKind::seed,
                                   BootstrapKind::parametric, BootstrapKind::pairs}) {
    options.bootstrap_kind = kind;
    options.threads = 1;
    const Bootstrap one = bootstrap(methods[0], options);
    options.threads = 3;
    const Bootstrap three = bootstrap(methods[0], options);
    double low = 0, high = -1;
    for (std::size_t i = 0; i < one.replicates.size(); ++i) {
      EXPECT_EQ(one.replicates[i].power.curve.alpha, three.replicates[i].power.curve.alpha);
      low = std::min(low, one.replicates[i].power.curve.alpha);
      high = std::max(high, one.replicates[i].power.curve.alpha);
    }
    EXPECT_LT(low, high) << "replicates differ: " << word(kind);
  }
}

TEST(FitBootstrap, RunSdFromSeedsSurfaceOrDefault) {
  const test::TrueLaw bp{"bp", -0.07, 4.0};
  test::Sampling sampling;
  sampling.run_sd = 0.01;
  sampling.noise = 0.001;
  sampling.seeds = 4;
  Options options = quick();
  options.bootstrap = 0;
  const auto seeds = methods_of(make_study({bp}, sampling), options);
  EXPECT_EQ(seeds[0].run_sd.source, "seeds");
  EXPECT_NEAR(seeds[0].run_sd.value, 0.01, 0.005);
  sampling.seeds = 1;
  EXPECT_EQ(methods_of(make_study({bp}, sampling), options)[0].run_sd.source, "default");
  options.surface = Surface::fitted;
  const auto surface = methods_of(make_study({bp}, sampling), options);
  EXPECT_EQ(surface[0].run_sd.source, "surface");
  EXPECT_GE(surface[0].run_sd.value, options.run_sd);
}

/// Share of synthetic studies whose 95 % interval of alpha holds the true alpha.
double coverage(int seeds, int studies) {
  const test::TrueLaw bp{"bp", -0.07, 4.0};
  Options options = quick();
  options.bootstrap = 100;
  const FitNeeds needs = needs_of(options);
  int covered = 0;
  for (int study = 0; study < studies; ++study) {
    test::Sampling sampling;
    sampling.seeds = seeds;
    sampling.points = 40;
    sampling.seed = 1000 + static_cast<std::uint64_t>(study);
    const auto methods = methods_of(make_study({bp}, sampling), options);
    const Resampler resampler(methods[0], resolve_kind(methods[0], BootstrapKind::automatic));
    std::vector<double> alphas;
    for (std::uint64_t i = 0; i < 100; ++i) {
      Stream random(sampling.seed, "coverage", i);
      std::vector<std::vector<double>> values;
      const auto runs = resampler.draw(random, values);
      alphas.push_back(
          fit_power(fit_points(find_frontier(runs, needs.frontier)), needs.power).curve.alpha);
    }
    const auto ci = interval(alphas);
    covered += ci && ci->low <= bp.alpha && bp.alpha <= ci->high;
  }
  return covered / static_cast<double>(studies);
}

TEST(FitBootstrap, IntervalsOfAlphaCoverTheTruth) {
  const double three = coverage(3, 200);
  std::printf("coverage of nominal 95 %% intervals of alpha, 200 studies with 3 seeds: %.3f\n",
              three);
  std::printf("with 2 seeds: %.3f, with 1 seed: %.3f (60 studies each)\n", coverage(2, 60),
              coverage(1, 60));
  EXPECT_GE(three, 0.85);
}

}  // namespace
}  // namespace dfascale::fit
