// Plans on paper: times against a plain oracle and against the formulae of SPEC section 6.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/clock.hpp"
#include "pipeline/grid.hpp"
#include "pipeline/rehearse.hpp"
#include "pipeline/simulate.hpp"
#include "pipeline/theory.hpp"
#include "pipeline/timeline.hpp"
#include "tests/support/plans.hpp"

namespace dfascale::test {
namespace {

constexpr double rounding = 1e-9;  // relative: sums of a few thousand times in double

/// A rank's time, dealt out evenly to its stages.
std::vector<StageTimes> equal_times(const Plan& plan, double forward, double input, double weight) {
  const double share = static_cast<double>(plan.ranks()) / plan.stages();
  StageTimes t;
  t.forward = forward * share;
  t.input = input * share;
  t.weight = weight * share;
  return std::vector<StageTimes>(plan.rank_of.size(), t);
}

Simulation simulated(const Plan& plan, const Workload& work, std::int32_t steps = 6) {
  return simulate(plan, rehearse(plan).slots, work, {.steps = steps});
}

/// Times of the ends of steps, by going over all rows until nothing changes: no queue, no slots.
std::vector<double> oracle_ends(const Plan& plan, const std::vector<StageTimes>& times,
                                std::int32_t steps) {
  std::vector<double> clock(plan.rows.size(), 0), ends;
  for (std::int32_t step = 0; step < steps; ++step) {
    std::map<std::vector<std::int32_t>, double> sent;
    std::vector<std::size_t> next(plan.rows.size(), 0);
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t r = 0; r < plan.rows.size(); ++r)
        while (next[r] < plan.rows[r].size()) {
          const Action& a = plan.rows[r][next[r]];
          const StageTimes& t = times[static_cast<std::size_t>(a.stage)];
          if (is_receive(a.op)) {
            const auto found = sent.find(
                {static_cast<std::int32_t>(facts_of(a.op).cargo), a.stage, a.micro_batch});
            if (found == sent.end()) break;
            clock[r] = std::max(clock[r], found->second);
          }
          if (a.op == Op::forward) clock[r] += t.forward;
          if (a.op == Op::backward) clock[r] += t.input + t.weight;
          if (a.op == Op::backward_input) clock[r] += t.input;
          if (a.op == Op::backward_weight) clock[r] += t.weight;
          if (a.op == Op::update) clock[r] += t.update;
          if (is_send(a.op))
            sent[{static_cast<std::int32_t>(facts_of(a.op).cargo), a.peer, a.micro_batch}] =
                clock[r];
          ++next[r];
          moved = true;
        }
    }
    ends.push_back(*std::max_element(clock.begin(), clock.end()));
  }
  return ends;
}

/// Uneven, but the same on every machine.
std::vector<StageTimes> odd_times(std::int32_t stages) {
  std::vector<StageTimes> times;
  for (std::int32_t s = 0; s < stages; ++s) {
    StageTimes t;
    t.forward = 1 + 0.1 * (s * 7 % 5);
    t.input = 0.8 + 0.1 * (s * 3 % 4);
    t.weight = 0.9 + 0.1 * (s * 5 % 3);
    t.update = 0.25 * (s % 2);
    times.push_back(t);
  }
  return times;
}

TEST(Execute, AgreesWithAPlainOracle) {
  for (const ScheduleFacts& facts : schedules)
    for (const std::string rule : {"bp", "dfa", "dfa-head"})
      for (const std::int32_t p : {1, 2, 3, 6})
        for (const std::int32_t M : {1, 2, 5, 9}) {
          const std::string name(facts.name);
          if (!fits(name, rule, p)) continue;
          SCOPED_TRACE(fmt::format("{} {} p {} M {}", name, rule, p, M));
          const Plan plan =
              make_plan(request(name, rule, p, M, stages_of_a_rank(name), {false, true, true}));
          const std::vector<StageTimes> times = odd_times(plan.stages());
          const Execution run = execute(plan, {.steps = 4, .times = times});
          const std::vector<double> expected = oracle_ends(plan, times, 4);
          for (std::size_t step = 0; step < 4; ++step) {
            double end = 0;
            for (const auto& rank : run.ranks) end = std::max(end, rank[step].end);
            EXPECT_NEAR(end, expected[step], rounding * expected[step]);
          }
        }
}

TEST(Execute, EveryRanksTimeIsAccountedFor) {
  const Plan plan = make_plan(request("1f1b", "bp", 4, 6, 1, {true, true, true}));
  ExecutionOptions options{.steps = 3, .times = odd_times(4), .slots = rehearse(plan).slots};
  options.network.near = {0.05, 10};
  options.network.norms = 0.3;
  options.bytes = {1, 2, 0, 4};
  for (StageTimes& t : options.times) t.reduce = 3, t.reduce_tail = 0.5;
  options.keep = ExecutionOptions::Keep::events;
  const Execution run = execute(plan, options);
  for (const auto& rank : run.ranks) {
    double sum = 0;
    for (const auto& step : rank) {
      sum += step.computed() + step.of(Pastime::communication) + step.of(Pastime::idle);
      EXPECT_NEAR(sum, step.end, rounding * step.end);
    }
  }
  std::vector<double> at(4, 0);
  for (const Execution::Event& e : run.events) {
    double& end = at[static_cast<std::size_t>(e.rank)];
    EXPECT_EQ(e.start, end) << "events follow each other without a gap";
    end = e.end;
  }
}

/// Idle time of equal ranks, steps in a row.
double idle(const std::string& schedule, const EqualRanks& r) {
  ScheduleRequest q = request(schedule, r.signal == Signal::chained ? "bp" : "dfa", r.ranks,
                              r.micro_batches, r.virtual_stages);
  q.ties.global_norm = r.steps == EqualRanks::Steps::meet;
  q.in_flight = r.in_flight;
  const Plan plan = make_plan(q);
  const Simulation s = simulated(plan, {.times = equal_times(plan, r.forward, r.input, r.weight)});
  return s.step - r.micro_batches * (r.forward + r.input + r.weight);
}

struct Times {
  double forward, input, weight;
};

TEST(Theory, BubblesAreWhatTheFormulaeSay) {
  std::int64_t compared = 0;
  for (const ScheduleFacts& facts : schedules)
    for (const Signal signal : {Signal::chained, Signal::direct})
      for (const auto steps : {EqualRanks::Steps::run_on, EqualRanks::Steps::meet})
        for (const std::int32_t p : {1, 2, 3, 4, 8, 11})
          for (const std::int32_t M : {1, 4, 8, 16, 22, 33})
            for (const Times t : {Times{1, 1, 1}, {1, 1.2, 0.8}, {1, 0.8, 1.2}, {0.7, 1, 1}}) {
              const std::string name(facts.name);
              const std::string rule = signal == Signal::chained ? "bp" : "dfa";
              if (!fits(name, rule, p)) continue;
              for (std::int32_t v = facts.least_virtual_stages;
                   v <= std::min(facts.most_virtual_stages, 4); ++v) {
                const EqualRanks r{signal, p, v, M, 0, t.forward, t.input, t.weight, steps};
                const std::optional<double> theory = idle_in_theory(name, r);
                if (!theory) continue;
                SCOPED_TRACE(fmt::format("{} {} p {} v {} M {} times {} {} {} meet {}", name, rule,
                                         p, v, M, t.forward, t.input, t.weight,
                                         steps == EqualRanks::Steps::meet));
                EXPECT_NEAR(idle(name, r), *theory, 1e-6);
                ++compared;
              }
            }
  EXPECT_GT(compared, 1000);
}

TEST(Theory, ZeroBubbleInAVHasNoneAtAnyDepth) {
  for (const std::int32_t p : {2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 16, 20, 21, 32, 40})
    for (const std::int32_t M : {2 * p, 2 * p + 1, 2 * p + 3, 3 * p, 5 * p + 1}) {
      SCOPED_TRACE(fmt::format("p {} M {}", p, M));
      const EqualRanks r{Signal::chained, p, 2, M, 0, 1, 1, 1, EqualRanks::Steps::run_on};
      EXPECT_NEAR(idle("zb-v", r), 0, 1e-6);
    }
}

TEST(Theory, FewerMicroBatchesInFlightIdleMore) {
  double last = 1e9;
  for (std::int32_t k = 1; k <= 8; ++k) {
    const EqualRanks r{Signal::direct, 8, 1, 32, k, 1, 1, 1, EqualRanks::Steps::run_on};
    const double found = idle("unlocked", r);
    EXPECT_LE(found, last);
    if (const auto theory = idle_in_theory("unlocked", r)) {
      EXPECT_NEAR(found, *theory, 1e-9);
    }
    last = found;
  }
  EXPECT_NEAR(last, 0, 1e-9);
  // Half as many in flight: formula and simulation both know the price.
  const EqualRanks half{Signal::direct, 8, 1, 32, 4, 1, 1, 1, EqualRanks::Steps::run_on};
  EXPECT_NEAR(*idle_in_theory("unlocked", half), 5, 1e-9);
}

TEST(Theory, SaysNothingWhereThereIsNoFormula) {
  const auto steps = EqualRanks::Steps::run_on;
  EXPECT_FALSE(idle_in_theory("zb-h2", {Signal::chained, 4, 1, 4, 0, 1, 1, 1, steps}));
  EXPECT_FALSE(idle_in_theory("zb-v", {Signal::chained, 4, 2, 8, 0, 1, 1.5, 1, steps}));
  EXPECT_FALSE(idle_in_theory("interleaved", {Signal::chained, 4, 2, 6, 0, 1, 1, 1, steps}));
  EXPECT_FALSE(idle_in_theory("zigzag", {Signal::chained, 4, 2, 6, 0, 1, 1, 1, steps}));
}

TEST(Theory, OneStepAloneOfUnlockedStillFillsThePipeline) {
  const Plan plan = make_plan(request("unlocked", "dfa", 6, 12));
  const Simulation s = simulated(plan, {.times = equal_times(plan, 1, 1, 1)});
  EXPECT_NEAR(s.single, 12 * 3 + 5, rounding);
  EXPECT_NEAR(s.step, 12 * 3, rounding);
}

TEST(Simulate, StepIsTheSumOfItsParts) {
  const Plan plan = make_plan(request("zb-h1", "bp", 4, 8));
  Workload work{.times = odd_times(4), .bytes = {2, 2, 0, 0}};
  work.network.near = {0.01, 50};
  const Simulation s = simulated(plan, work);
  EXPECT_NEAR(s.step, s.mean_compute() + s.imbalance() + s.communication() + s.bubble(),
              rounding * s.step);
  EXPECT_GT(s.imbalance(), 0);
  EXPECT_GT(s.communication(), 0);
  EXPECT_GT(s.bubble(), 0);
  for (const RankShare& share : s.ranks)
    EXPECT_NEAR(share.compute + share.communication + share.idle, s.step, 1e-6);
}

TEST(Simulate, ImbalanceIsToldFromBubble) {
  const Plan plan = make_plan(request("unlocked", "dfa", 4, 16));
  std::vector<StageTimes> times = equal_times(plan, 1, 1, 1);
  times[3] = {2, 2, 2, 0, 0, 0};
  const Simulation s = simulated(plan, {.times = times}, 12);
  // Everything waits for the slow stage, which never waits.
  EXPECT_NEAR(s.step, 16 * 6, 1e-6);
  EXPECT_NEAR(s.bubble(), 0, 1e-6);
  EXPECT_NEAR(s.imbalance(), 16 * (6 - (6 + 3 * 3) / 4.0), 1e-6);
}

/// Two ranks, one micro-batch: the step's length is a sum that can be written down.
Simulation two_ranks(const Network& network) {
  const Plan plan = make_plan(request("1f1b", "bp", 2, 1));
  return simulated(
      plan, {.times = equal_times(plan, 1, 1, 1), .bytes = {100, 300, 0, 0}, .network = network});
}

TEST(Simulate, MessagesTakeLatencyAndBytesOverBandwidth) {
  Network network;
  network.near = {0.25, 200};
  // F, activation 0.25 + 0.5, F, B, gradient 0.25 + 1.5, B.
  EXPECT_NEAR(two_ranks(network).single, 6 + 0.75 + 1.75, rounding);
  network.far = {1, 100};
  network.node_of = {0, 1};
  EXPECT_NEAR(two_ranks(network).single, 6 + 2 + 4, rounding);
  network.node_of = {3, 3};
  EXPECT_NEAR(two_ranks(network).single, 6 + 0.75 + 1.75, rounding);
}

TEST(Simulate, MessagesThatMoveByThemselvesAreHidden) {
  // Enough micro-batches for the second to be on its way while the first is computed.
  const Plan plan = make_plan(request("gpipe", "shallow", 2, 8));
  Workload work{.times = equal_times(plan, 1, 1, 1), .bytes = {100, 100, 0, 0}};
  work.network.near = {0, 200};
  work.network.transfer = Transfer::at_receive;
  const Simulation exposed = simulated(plan, work);
  work.network.transfer = Transfer::at_send;
  const Simulation hidden = simulated(plan, work);
  EXPECT_NEAR(exposed.step, 8 * (3 + 0.5), 1e-6);
  EXPECT_NEAR(hidden.step, 8 * 3, 1e-6);
}

TEST(Simulate, OnePortSendsOneMessageAtATime) {
  // The head sends every error to three stages below: 3 x 4 x 100 bytes leave it in a step.
  const Plan plan = make_plan(request("unlocked", "dfa-head", 5, 4));
  Workload work{.times = equal_times(plan, 1, 1, 1), .bytes = {0, 0, 100, 0}};
  work.network.near = {0, 20};
  work.network.transfer = Transfer::at_send;
  EXPECT_GE(simulated(plan, work).step, 3 * 4 * 5 - 1e-6);
  // Where the network passes them on, it is 4 x 100 bytes: 20 s beside 12 s of computing.
  work.network.errors = ErrorTransfer::broadcast;
  EXPECT_GE(simulated(plan, work).step, 4 * 5 - 1e-6);
  EXPECT_LT(simulated(plan, work).step, 3 * 4 * 5 / 2);
}

TEST(Simulate, SumsOverReplicasHideBehindTheLastBackward) {
  const Plan plan = make_plan(request("1f1b", "bp", 1, 4));
  Workload work{.times = equal_times(plan, 1, 1, 1)};
  const auto step = [&](double reduce, double tail) {
    work.times[0].reduce = reduce;
    work.times[0].reduce_tail = tail;
    return simulated(plan, work).step;
  };
  EXPECT_NEAR(step(0, 0), 12, rounding);
  EXPECT_NEAR(step(1.5, 0.25), 12.25, rounding) << "all but the tail beside the last backward";
  EXPECT_NEAR(step(5, 0.25), 15, rounding) << "what is longer than the last backward is waited for";
}

TEST(Simulate, TrafficIsCountedByLink) {
  const Plan plan = make_plan(request("zb-v", "bp", 2, 3, 2, {false, true, true}));
  const Simulation s =
      simulated(plan, {.times = equal_times(plan, 1, 1, 1), .bytes = {10, 20, 0, 1000}});
  // Stages 0 1 | 1 0: stages 1 and 2 are on rank 1, both ends of the tied matrix on rank 0.
  ASSERT_EQ(s.traffic.size(), 2U);
  EXPECT_EQ(s.traffic[0].bytes, 3 * 10 + 3 * 20);
  EXPECT_EQ(s.traffic[1].bytes, 3 * 10 + 3 * 20);
  EXPECT_EQ(s.bytes_sent(), 180);
}

TEST(Simulate, ThousandsOfRanksTakeSeconds) {
  const double start = seconds_now();
  const Plan plan = make_plan(request("1f1b", "bp", 1024, 64));
  const Simulation s = simulated(plan, {.times = equal_times(plan, 1, 1, 1)}, 2);
  EXPECT_NEAR(s.single, 64 * 3 + 1023 * 3, 1e-6);
  EXPECT_LT(seconds_now() - start, 60);
}

std::vector<Execution::Event> events_of(const Plan& plan) {
  return simulate(plan, rehearse(plan).slots, {.times = equal_times(plan, 1, 1, 1)},
                  {.steps = 2, .kept_steps = 1})
      .events;
}

TEST(Pictures, GridShowsWhoDoesWhatWhen) {
  const Plan bp = make_plan(request("1f1b", "bp", 2, 3));
  EXPECT_EQ(time_grid(bp, events_of(bp), 1),
            "     0  F0 F1 -- -- B0 .. F2 B1 .. -- B2 ..\n"
            "     1  -- F0 B0 .. F1 B1 .. F2 B2 ..\n");
  const Plan dfa = make_plan(request("unlocked", "dfa", 2, 3));
  EXPECT_EQ(time_grid(dfa, events_of(dfa), 1),
            "     0  F0 F1 B0 .. F2 B1 .. B2 ..\n"
            "     1  -- F0 F1 B0 .. F2 B1 .. B2 ..\n");
  const Plan v = make_plan(request("zb-v", "bp", 1, 1, 2));
  EXPECT_EQ(time_grid(v, events_of(v), 0.5), "     0  F0/0 F0/1 I0/1 I0/0 W0/1 W0/0\n");
}

TEST(Pictures, TraceIsJsonWithEveryEvent) {
  const Plan plan = make_plan(request("zb-h1", "bp", 3, 4));
  const std::vector<Execution::Event> events = events_of(plan);
  const auto trace = nlohmann::json::parse(timeline_trace(events));
  ASSERT_EQ(trace.size(), events.size());
  double computed = 0;
  for (const auto& e : trace) {
    EXPECT_EQ(e["ph"], "X");
    EXPECT_LT(e["tid"].get<int>(), 3);
    if (e["cat"] == "forward" || e["cat"] == "backward") computed += e["dur"].get<double>();
  }
  EXPECT_NEAR(computed, 3 * 4 * 3 * 1e6, 1);
}

TEST(Pictures, SvgHasABoxForEveryAction) {
  const Plan plan = make_plan(request("1f1b", "bp", 2, 3));
  const std::string svg = timeline_svg(events_of(plan), 2, "a < b");
  const auto count = [&](const std::string& what) {
    std::int64_t found = 0;
    for (std::size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1))
      ++found;
    return found;
  };
  EXPECT_EQ(count(">F2<"), 2);
  EXPECT_EQ(count(">B0<"), 2);
  EXPECT_EQ(count("a &lt; b"), 1);
  EXPECT_EQ(count("<svg"), count("</svg>"));
}

}  // namespace
}  // namespace dfascale::test
