// Which blocks compute again what they could keep: memory stays within the budget, at the least
// cost, and what is predicted is what is laid out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "credit/flops.hpp"
#include "pipeline/schedules.hpp"
#include "planning/memory_budget.hpp"
#include "planning/recompute_choices.hpp"
#include "tests/support/rule_names.hpp"
#include "tests/support/small_model.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t program = 1'000'000;

Training training_of(const std::string& rule, std::int64_t pp = 1,
                     const std::string& schedule = "1f1b") {
  Training t{{7, 64, 4, 32, 200, true, Activation::relu}, preset(rule), plain_adamw(), {}, 4};
  t.optim.batch_sequences = 16;
  t.parallel.dp = 1;
  t.parallel.pp = pp;
  t.parallel.micro_batches = 4;
  t.parallel.schedule = schedule;
  t.parallel.virtual_stages = find_schedule(schedule)->least_virtual_stages;
  return t;
}

/// A store so fast that all is hidden, or so slow that nothing is.
Training with_store(Training t, double bytes_a_second) {
  t.elsewhere = {elsewhere(), {bytes_a_second, bytes_a_second, 110e9}};
  return t;
}
constexpr double fast = 1e15, slow = 1e3;

/// By level, blocks of all stages.
std::map<Recompute, std::int64_t> blocks_by_level(const Recomputation& recomputation) {
  std::map<Recompute, std::int64_t> count;
  for (const std::vector<Recompute>& stage : recomputation.levels)
    for (const Recompute level : stage) ++count[level];
  return count;
}

MemoryUse with_probe() {
  return {MemoryUse::Probe::alignment, {{"program and libraries", program}}};
}
MemoryUse without_probe() { return {MemoryUse::Probe::none, {{"program and libraries", program}}}; }

/// Of the rank that takes most.
std::int64_t predicted(Training t, const Recomputation& recomputation, const MemoryUse& use) {
  t.recomputation = recomputation;
  std::int64_t most = 0;
  for (int place = 0; place < t.parallel.pp; ++place)
    most = std::max(most, bytes_of(memory_of_place(t, place, use)));
  return most;
}

double weighted_cost(Training t, const Recomputation& recomputation) {
  t.recomputation = recomputation;
  return cost_again(t).weighted();
}

/// The least that is asked for in the message where nothing fits.
std::string refusal(const Training& t, const MemoryUse& use, std::int64_t budget) {
  try {
    fit_to_memory(t, use, budget);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::usage);
    return error.what();
  }
  return "was accepted";
}

std::int64_t least_of(const Training& t, const MemoryUse& use) {
  const std::string said = refusal(t, use, program), before = "needs at least ";
  const std::size_t at = said.find(before);
  EXPECT_NE(at, std::string::npos) << said;
  return at == std::string::npos ? 0 : std::stoll(said.substr(at + before.size()));
}

/// From all that there may be down to the least: never more than the budget, and never less cost.
void expect_sweep(const Training& t, const MemoryUse& use) {
  const std::int64_t most = predicted(t, {}, use), least = least_of(t, use);
  ASSERT_LT(least, most);
  double before = 0;
  constexpr std::int64_t budgets = 60;
  for (std::int64_t i = 0; i <= budgets; ++i) {
    const std::int64_t budget = most - (most - least) * i / budgets;
    const Recomputation found = fit_to_memory(t, use, budget);
    EXPECT_EQ(found.empty(), i == 0);
    EXPECT_LE(predicted(t, found, use), budget);
    const double cost = weighted_cost(t, found);
    EXPECT_GE(cost, before) << "budget " << budget;
    before = cost;
  }
  EXPECT_NE(refusal(t, use, least - 1).find("needs at least"), std::string::npos);
}

class MemoryBudget : public testing::TestWithParam<std::string> {};

TEST_P(MemoryBudget, IsKeptAndCostsMoreTheSmallerItIs) {
  expect_sweep(training_of(GetParam()), with_probe());
  if (GetParam() == "shallow") return;  // its one block has nothing to give
  expect_sweep(training_of(GetParam()), without_probe());
  Training rounded = training_of(GetParam());
  rounded.optim.precision = Precision::bf16;
  expect_sweep(rounded, without_probe());
  expect_sweep(training_of(GetParam(), 2, GetParam() == "bp" ? "zb-h2" : "unlocked"),
               without_probe());
  expect_sweep(training_of(GetParam(), 3, "gpipe"), with_probe());
  expect_sweep(training_of(GetParam(), 2, "interleaved"), without_probe());
  for (const double speed : {fast, 1e10, slow})
    expect_sweep(
        with_store(training_of(GetParam(), 2, GetParam() == "bp" ? "zb-h1" : "unlocked"), speed),
        without_probe());
}

INSTANTIATE_TEST_SUITE_P(Rules, MemoryBudget, all_rules(), rule_name);

/// Every way to give three blocks levels, by itself; with a store that hides some of its transfers.
TEST(FitToMemory, NoOtherChoiceCostsLess) {
  for (const char* rule : {"bp", "dfa", "dfa-canonical"})
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      Training t = with_store(training_of(rule), 1e9);
      t.shape.layers = 3;
      t.optim.precision = precision;
      const std::vector<StageRange> ranges = stage_ranges(t);
      const std::vector<StageLayout> kept = stage_layouts(t, ranges, step_plan(t, ranges));
      const std::vector<RecomputeChoice> choices = recompute_choices(t, kept);
      const std::int64_t rest =
          bytes_of(ParallelLearner::planned_memory(t, 0)) - kept_bytes(t, kept);
      for (const RecomputeLevel& a : recompute_levels)
        for (const RecomputeLevel& b : recompute_levels)
          for (const RecomputeLevel& c : recompute_levels) {
            t.recomputation.levels = {{a.level, b.level, c.level}};
            const std::int64_t bytes = bytes_of(ParallelLearner::planned_memory(t, 0)) - rest;
            const double cost = cost_again(t).weighted();
            const bool is_met = std::ranges::any_of(choices, [&](const RecomputeChoice& choice) {
              return choice.bytes <= bytes && choice.cost.weighted() <= cost * (1 + 1e-12);
            });
            EXPECT_TRUE(is_met) << rule << ": " << a.name << ", " << b.name << ", " << c.name;
          }
    }
}

/// Every choice takes the bytes that it says, laid out.
TEST(FitToMemory, WhatIsPredictedIsLaidOut) {
  const Device on;
  Gemm gemm(on);
  for (const char* rule : {"bp", "dfa", "dfa-canonical", "shallow"}) {
    Training t = with_store(training_of(rule), fast);
    const std::vector<StageRange> ranges = stage_ranges(t);
    const Plan plan = step_plan(t, ranges);
    const std::vector<StageLayout> kept = stage_layouts(t, ranges, plan);
    const std::int64_t rest = bytes_of(ParallelLearner::planned_memory(t, 0)) - kept_bytes(t, kept);
    for (const RecomputeChoice& choice : recompute_choices(t, kept)) {
      t.recomputation.levels = {choice.levels};
      const StageLayout layout = stage_layouts(t, ranges, plan).front();
      Arena arena;
      const auto learner = make_in<Learner>(arena, on, gemm, t.shape, t.rule, t.optim, layout);
      EXPECT_EQ(arena.bytes(), rest + choice.bytes);
      EXPECT_EQ(bytes_of(learner->memory()), bytes_of(ParallelLearner::planned_memory(t, 0)));
    }
  }
}

/// A store that hides its transfers takes the place of all products that would be computed again;
/// one that is slow takes none.
TEST(FitToMemory, OffloadsWhereThatCostsLess) {
  const Training t = training_of("bp", 2);
  const std::int64_t most = predicted(t, {}, without_probe()), least = least_of(t, without_probe());
  const std::int64_t half = least + (most - least) / 2;
  const Recomputation again = fit_to_memory(t, without_probe(), half);
  const Recomputation sent = fit_to_memory(with_store(t, fast), without_probe(), half);
  EXPECT_GT(cost_again([&] {
              Training u = t;
              u.recomputation = again;
              return u;
            }())
                .flops,
            0);
  Training fitted = with_store(t, fast);
  fitted.recomputation = sent;
  EXPECT_EQ(cost_again(fitted).flops, 0);
  EXPECT_GT(cost_again(fitted).moved, 0);
  EXPECT_GT(blocks_by_level(sent)[Recompute::offloaded], 0);
  EXPECT_EQ(fit_to_memory(with_store(t, slow), without_probe(), half).levels, again.levels);
  const std::string text = recomputation_text(fitted);
  EXPECT_NE(text.find("offloaded on "), std::string::npos) << text;
  EXPECT_NE(text.find(" GB to and from " + elsewhere()), std::string::npos) << text;
}

/// 9 D floats of a token go and come back, a second time where the backward is
/// taken apart; what the block's own FLOP do not hide is waited for.
TEST(FitToMemory, TransfersCostWhatProductsDoNotHide) {
  Training t = with_store(training_of("bp", 2, "gpipe"), fast);
  t.recomputation.unlisted = Recompute::offloaded;
  const double D = 64, bytes = 9 * D * 4;
  EXPECT_DOUBLE_EQ(cost_again(t).moved, 7 * 2 * bytes);
  EXPECT_EQ(cost_again(t).waited, 0);
  const StageFlops block = flops_per_token(t.shape, t.rule, StageRange{1, 2, false, false});
  t.elsewhere.speed = {1e9, 2e9, 110e9};
  EXPECT_DOUBLE_EQ(cost_again(t).waited, 7 * (110 * bytes - block.forward +
                                              std::max(0.0, 55 * bytes - block.input_gradients -
                                                                block.weight_gradients)));
  t = with_store(training_of("bp", 2, "zb-h1"), fast);
  t.recomputation.unlisted = Recompute::offloaded;
  EXPECT_DOUBLE_EQ(cost_again(t).moved, 7 * 3 * bytes);
}

TEST(FitToMemory, KeepsEverythingWithoutALimitOrWithinIt) {
  const Training t = training_of("bp");
  EXPECT_TRUE(fit_to_memory(t, with_probe(), 0).empty());
  EXPECT_TRUE(fit_to_memory(t, with_probe(), predicted(t, {}, with_probe())).empty());
  EXPECT_EQ(recomputation_text(t), "");
}

/// The probe is rare: it gives up its memory before any block of the training does.
TEST(FitToMemory, ProbeComputesAgainFirst) {
  const Training t = training_of("dfa");
  const Recomputation found = fit_to_memory(t, with_probe(), predicted(t, {}, with_probe()) - 64);
  EXPECT_EQ(found.unlisted, Recompute::everything);
  EXPECT_EQ(weighted_cost(t, found), 0);
}

/// With one slot the last block learns at once: all others compute a forward without fc2 again.
TEST(FitToMemory, CostIsThatOfTheProductsComputedAgain) {
  Training t = training_of("bp");
  t.recomputation.unlisted = Recompute::everything;
  const double D = 64, T = 32;
  EXPECT_DOUBLE_EQ(cost_again(t).flops, 6 * (16 * D * D + 2 * T * D));
  t.recomputation.unlisted = Recompute::fc1;
  EXPECT_DOUBLE_EQ(cost_again(t).flops, 6 * 8 * D * D);
  t.recomputation.unlisted = Recompute::elementwise;
  EXPECT_EQ(cost_again(t).flops, 0);
  EXPECT_GT(cost_again(t).bytes, 0);
  // A backward taken apart reads a in one half, and z, which follows from it, in the other.
  t = training_of("bp", 2, "zb-h2");
  t.recomputation.unlisted = Recompute::fc1;
  EXPECT_DOUBLE_EQ(cost_again(t).flops, 7 * 2 * 8 * D * D);
  t = training_of("shallow");
  t.recomputation.unlisted = Recompute::everything;
  EXPECT_EQ(cost_again(t).weighted(), 0);
}

TEST(FitToMemory, TextsSayWhatIsComputedAgainAndWhatWouldHelp) {
  Training t = training_of("bp");
  t.recomputation.levels = {{}};
  for (const Recompute level :
       {Recompute::nothing, Recompute::fc1, Recompute::fc1, Recompute::elementwise,
        Recompute::nothing, Recompute::nothing, Recompute::nothing})
    t.recomputation.levels[0].push_back(level);
  const std::string text = recomputation_text(t);
  EXPECT_TRUE(text.starts_with("elementwise on 1, fc1 on 2 of 7 block(s); ")) << text;
  EXPECT_NE(text.find("% more FLOP"), std::string::npos) << text;
  const std::string said = refusal(training_of("bp"), with_probe(), program);
  for (const char* part : {"run.memory = 1000000", "optimiser moments", "alignment probe", "in all",
                           "parallel.micro_batches", "optim.batch_sequences", "optim.precision",
                           "parallel.zero = 1", "parallel.pp", "run.alignment_steps"})
    EXPECT_NE(said.find(part), std::string::npos) << part << "\n" << said;
  Training sharded = training_of("bp");
  sharded.parallel.zero = 1;
  EXPECT_NE(refusal(sharded, with_probe(), program).find("parallel.dp"), std::string::npos);
}

}  // namespace
}  // namespace dfascale::test
