// Machines by their figures, what layouts cost on them, and the search for the best.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "credit/flops.hpp"
#include "deck/deck.hpp"
#include "deck/keys.hpp"
#include "pipeline/rehearse.hpp"
#include "planning/costs.hpp"
#include "planning/machine.hpp"
#include "planning/memory_budget.hpp"
#include "planning/recompute_choices.hpp"
#include "planning/sweep.hpp"
#include "tests/support/files.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale::test {
namespace {

constexpr double rounding = 1e-9;  // relative

constexpr const char* plain_machine =
    "nodes = 2\nranks_per_node = 2\npeak_tflops = 0.5\nefficiency = 0.5\nmemory_gib = 1\n"
    "memory_gb_per_s = 10\n[inside]\nlatency_us = 0\ngb_per_s = 8\n[between]\nlatency_us = 100\n"
    "gb_per_s = 2\n";

class Planning : public ::testing::Test {
 protected:
  std::string file(const std::string& text) { return write_file(folder_ / "machine.toml", text); }
  Machine machine(const std::vector<std::string>& overrides = {}) {
    return read_machine(file(plain_machine), overrides);
  }
  std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) {
    try {
      read_machine(file(text), overrides);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::usage);
      return error.what();
    }
    return "nothing was wrong";
  }

 private:
  TemporaryFolder folder_;
};

Settings settings(const std::vector<std::string>& overrides) {
  const std::string deck =
      "[model]\nlayers = 6\nwidth = 32\nheads = 2\ncontext = 16\nvocab = 96\n[data]\ntrain = "
      "\"x\"\n[optim]\nbatch_sequences = 16\ntokens = 4096\nclip = \"block\"\n";
  Settings s = parse_deck(deck, "deck.toml", overrides);
  if (s.parallel.dp == 0) s.parallel.dp = 1;
  return s;
}

TEST_F(Planning, MachinesAreReadAndOverridden) {
  const Machine m = machine({"nodes=3", "between.gb_per_s=0.5", "name=\"mine\""});
  EXPECT_EQ(m.name, "mine");
  EXPECT_EQ(m.ranks(), 6);
  EXPECT_EQ(m.node_of(3), 1);
  EXPECT_EQ(m.flops_per_second(), 0.25e12);
  EXPECT_EQ(m.between.bandwidth, 0.5e9);
  EXPECT_DOUBLE_EQ(m.between.latency, 1e-4);
  EXPECT_EQ(m.transfer, Transfer::at_receive);
}

TEST_F(Planning, MistakesInMachinesAreNamed) {
  const std::string text = plain_machine;
  EXPECT_NE(refusal(text + "bandwith = 3\n").find("between.bandwith: unknown key"),
            std::string::npos);
  EXPECT_NE(refusal("nodes = 0\n" + text.substr(10)).find(":1: nodes: expected a whole number"),
            std::string::npos);
  EXPECT_NE(refusal("nodes = 1.5\n" + text.substr(10)).find("nodes: expected"), std::string::npos);
  EXPECT_NE(refusal(text.substr(10)).find("nodes is missing"), std::string::npos);
  EXPECT_NE(refusal("nodes = \n").find("not TOML"), std::string::npos);
  EXPECT_NE(refusal(text, {"efficiency=2"}).find("--machine-set efficiency=2"), std::string::npos);
  EXPECT_NE(refusal(text, {"messages_move=\"never\""}).find("expected \"at_receive\""),
            std::string::npos);
  EXPECT_NE(refusal(text, {"errors_move=\"broadcast\""}).find("set messages_move"),
            std::string::npos);
  EXPECT_THROW(read_machine("nowhere.toml", {}), Error);
}

TEST_F(Planning, RingsUseThePortsOfAllTheirRanks) {
  const Machine m = machine();
  EXPECT_NEAR(ring_seconds(m, 0, 2, 8e9), 0.5, rounding);
  // Four ranks on two nodes: three quarters of the bytes over two ports of 2 GB/s, two hops late.
  EXPECT_NEAR(ring_seconds(m, 0, 4, 8e9), 0.75 * 2 + 2e-4, rounding);
  EXPECT_EQ(ring_seconds(m, 1, 1, 8e9), 0);
}

TEST_F(Planning, StageTimesAddUpToExactFlops) {
  const Machine m = machine();
  for (const char* rule : {"bp", "dfa", "dfa-canonical", "shallow"})
    for (const char* split : {"2,2,2", "3,3,0", "1,1,4"}) {
      const Training training = Training::of(
          settings({std::string("rule.name=") + rule, "parallel.pp=3",
                    std::string("parallel.split=\"") + split + "\"", "parallel.micro_batches=4"}));
      double seconds = 0;
      for (const StageRange& range : stage_ranges(training)) {
        const StageTimes t = stage_times(training, range, m);
        seconds += t.forward + t.backward();
      }
      const double tokens = static_cast<double>(training.sequences * training.shape.context);
      const double exact = flops_per_token(training.shape, training.rule).total() * tokens;
      EXPECT_NEAR(seconds * m.flops_per_second(), exact, rounding * exact) << rule << split;
    }
}

TEST_F(Planning, OverheadIsPaidByEveryPassThatThereIs) {
  const Training training =
      Training::of(settings({"rule.name=shallow", "parallel.pp=2", "parallel.split=\"4,2\""}));
  const StageRange frozen = stage_ranges(training).front();
  const StageTimes without = stage_times(training, frozen, machine());
  const StageTimes with = stage_times(training, frozen, machine({"overhead_us=1000"}));
  EXPECT_NEAR(with.forward - without.forward, 4e-3, 1e-9);
  EXPECT_EQ(with.backward(), 0);
}

TEST_F(Planning, MemoryIsWhatTheProgramLaysOut) {
  StageMemory memory;
  for (const char* rule : {"bp", "dfa"})
    for (const std::int64_t slots : {1, 2, 5}) {
      const Training training =
          Training::of(settings({std::string("rule.name=") + rule, "parallel.pp=2"}));
      const std::vector<StageRange> ranges = stage_ranges(training);
      for (std::size_t s = 0; s < ranges.size(); ++s) {
        const StageLayout layout = stage_layout(training, s, {ranges[s], 2, slots});
        std::int64_t exact = 0;
        for (const MemoryRow& row : ParallelLearner::planned_memory(training, layout))
          exact += row.bytes;
        EXPECT_EQ(memory.bytes(training, layout), exact);
      }
    }
}

LayoutCost costed(const Training& training, const Machine& machine, std::int64_t budget = 0) {
  StageMemory memory;
  LayoutCost cost = plan_layout(training, machine, budget);
  const std::int64_t least = least_bytes(cost, memory);
  add_memory(cost, memory, machine);
  EXPECT_LE(least, cost.most_bytes());
  add_simulation(cost, {});
  return cost;
}

TEST_F(Planning, OneRankTakesItsFlopsOverItsRate) {
  const Machine m = machine({"memory_gb_per_s=1e9"});
  const LayoutCost cost = costed(Training::of(settings({})), m);
  const double flops =
      flops_per_token(cost.training.shape, cost.training.rule).total() * cost.step_tokens();
  EXPECT_NEAR(cost.simulation.step, flops / m.flops_per_second(), 1e-6 * cost.simulation.step);
  EXPECT_NEAR(cost.mfu(m), m.efficiency, 1e-6);
  EXPECT_EQ(*cost.idle_in_theory(), 0);
}

TEST_F(Planning, SumsOverReplicasCostTimeAndZeroGathers) {
  const auto step = [&](const char* dp, const char* zero) {
    const Machine m = machine({"memory_gb_per_s=1e9"});
    return costed(Training::of(settings(
                      {std::string("parallel.dp=") + dp, std::string("parallel.zero=") + zero})),
                  m)
        .simulation;
  };
  EXPECT_EQ(step("1", "0").communication(), 0);
  EXPECT_GT(step("4", "0").communication(), 0);
  EXPECT_GT(step("4", "1").communication(), 0);
}

TEST_F(Planning, SweepsFindTheBestThatFits) {
  const Machine m = machine();
  for (const char* rule : {"bp", "dfa"}) {
    const SweepResult found = sweep(settings({}), *find_rule(rule), m, {.kept = 3});
    ASSERT_EQ(found.best.size(), 3U);
    EXPECT_GT(found.tried, 10);
    EXPECT_EQ(found.too_large, 0);
    for (const LayoutCost& cost : found.by_pipeline) {
      EXPECT_TRUE(cost.fits(m));
      EXPECT_GE(cost.simulation.step, found.best.front().simulation.step);
      EXPECT_EQ(cost.ranks() <= m.ranks() && cost.ranks() >= 3, true);
      // What the sweep says of a layout is what the layout costs by itself.
      EXPECT_NEAR(costed(cost.training, m).simulation.step, cost.simulation.step,
                  1e-3 * cost.simulation.step);
    }
  }
}

TEST_F(Planning, WhereMemoryIsShortUnlockedKeepsFewerInFlight) {
  const Settings deck = settings({"model.context=512", "optim.batch_sequences=32"});
  const auto bytes = [&](const char* in_flight) {
    Settings s =
        settings({"model.context=512", "optim.batch_sequences=32", "rule.name=dfa", "parallel.pp=4",
                  "parallel.micro_batches=32", std::string("parallel.in_flight=") + in_flight});
    return costed(Training::of(s), machine()).most_bytes();
  };
  // Room for two micro-batches under way, not for four.
  ASSERT_LT(bytes("2"), bytes("4"));
  Machine tight = machine();
  tight.memory_bytes = static_cast<double>(bytes("2"));
  const SweepResult found = sweep(deck, *find_rule("dfa"), tight, {});
  const auto longest =
      std::find_if(found.by_pipeline.begin(), found.by_pipeline.end(),
                   [](const LayoutCost& cost) { return cost.training.parallel.pp == 4; });
  ASSERT_NE(longest, found.by_pipeline.end());
  EXPECT_TRUE(longest->fits(tight));
  EXPECT_EQ(longest->training.parallel.schedule, "unlocked");
  EXPECT_GE(longest->training.parallel.in_flight, 1);
  EXPECT_LE(longest->training.parallel.in_flight, 2);
  tight.memory_bytes = 1000;
  const SweepResult nothing = sweep(deck, *find_rule("dfa"), tight, {});
  EXPECT_TRUE(nothing.best.empty());
  EXPECT_EQ(nothing.tried, nothing.too_large);
}

// ---- run.memory

Training in_a_pipeline(const std::string& rule, const std::string& schedule,
                       const std::string& stages_a_rank) {
  return Training::of(settings({"rule.name=" + rule, "model.context=128", "parallel.pp=2",
                                "parallel.micro_batches=4", "parallel.schedule=" + schedule,
                                "parallel.virtual_stages=" + stages_a_rank}));
}

/// A plan has the levels of the run itself, the memory that the run lays out, and the time of what
/// is computed again.
TEST_F(Planning, WithinABudgetBlocksComputeAgain) {
  const Machine m = machine();
  for (const auto& [rule, schedule, stages_a_rank] :
       {std::array{"bp", "1f1b", "1"}, std::array{"bp", "zb-h1", "1"},
        std::array{"bp", "interleaved", "2"}, std::array{"dfa", "unlocked", "1"}}) {
    SCOPED_TRACE(schedule);
    const Training training = in_a_pipeline(rule, schedule, stages_a_rank);
    const LayoutCost kept = costed(training, m);
    const std::int64_t budget = kept.most_bytes() * 8 / 10;
    const LayoutCost cost = costed(training, m, budget);
    EXPECT_TRUE(cost.fits(m));
    EXPECT_FALSE(kept.training.recomputation.levels == cost.training.recomputation.levels);
    EXPECT_EQ(cost.training.recomputation.levels, fit_to_memory(training, {}, budget).levels);
    std::int64_t most = 0;
    for (const int place : {0, 1})
      most = std::max(most, bytes_of(memory_of_place(cost.training, place, {})));
    EXPECT_EQ(cost.most_bytes(), most);
    double more = 0;
    for (std::size_t s = 0; s < cost.ranges.size(); ++s)
      more += cost.workload.times[s].backward() - kept.workload.times[s].backward();
    const RecomputeCost again = cost_again(cost.training);
    EXPECT_GT(again.flops, 0);
    const double tokens = static_cast<double>(training.sequences * training.shape.context);
    EXPECT_NEAR(more,
                tokens * (again.flops / m.flops_per_second() + again.bytes / m.memory_bandwidth),
                rounding * more);
    EXPECT_GT(cost.simulation.step, kept.simulation.step);
    EXPECT_LT(cost.mfu(m), kept.mfu(m));
  }
}

TEST_F(Planning, ABudgetThatSufficesOrNeverWillIsToldSo) {
  const Machine m = machine();
  const Training training = in_a_pipeline("bp", "1f1b", "1");
  const LayoutCost kept = costed(training, m);
  const LayoutCost roomy = costed(training, m, kept.most_bytes());
  EXPECT_TRUE(roomy.training.recomputation.empty());
  EXPECT_EQ(roomy.simulation.step, kept.simulation.step);
  const LayoutCost never = costed(training, m, 1000);
  EXPECT_FALSE(never.fits(m));
  EXPECT_LT(never.most_bytes(), kept.most_bytes());
  EXPECT_GT(never.limit(m), 0);
}

/// A machine on which a model fits only where activations are computed again.
TEST_F(Planning, SweepsComputeAgainWhereTheDeckHasABudget) {
  const std::vector<std::string> deck = {"model.context=512", "optim.batch_sequences=4"};
  Machine tight = machine({"nodes=1", "ranks_per_node=1"});
  Settings s = settings(deck);
  const Training one = Training::of([&] {
    Settings four = s;
    four.parallel.micro_batches = 4;
    return four;
  }());
  StageMemory memory;
  LayoutCost smallest = plan_layout(one, tight, 1);  // a budget of a byte
  add_memory(smallest, memory, tight);
  tight.memory_bytes = static_cast<double>(smallest.most_bytes() + 1000);
  EXPECT_TRUE(sweep(s, *find_rule("bp"), tight, {}).best.empty());
  s.run.memory = std::int64_t{1} << 40;
  const SweepResult found = sweep(s, *find_rule("bp"), tight, {});
  ASSERT_FALSE(found.best.empty());
  EXPECT_TRUE(found.best.front().fits(tight));
  EXPECT_FALSE(found.best.front().training.recomputation.empty());
}

}  // namespace
}  // namespace dfascale::test
