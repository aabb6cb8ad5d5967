// Plans of every schedule: what is in them, what memory they take, and that damage is found.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "pipeline/actions.hpp"
#include "pipeline/execute.hpp"
#include "pipeline/rehearse.hpp"
#include "pipeline/schedules.hpp"
#include "tests/support/plans.hpp"

namespace dfascale::test {
namespace {

const std::vector<std::string> rules = {"bp",      "dfa",      "shallow",
                                        "bp-head", "dfa-head", "shallow-head"};
const std::vector<Ties> all_ties = {
    {false, false, false}, {true, false, false}, {true, true, true}, {false, true, false}};

/// Every schedule, rule, size and tie that go together.
template <class Visit>
void for_all_requests(const std::vector<std::int32_t>& ranks,
                      const std::vector<std::int32_t>& micro_batches, Visit visit) {
  for (const ScheduleFacts& facts : schedules)
    for (const std::string& rule : rules)
      for (const std::int32_t p : ranks)
        for (const std::int32_t M : micro_batches)
          for (const Ties& ties : all_ties) {
            const std::string name(facts.name);
            if (!fits(name, rule, p)) continue;
            for (std::int32_t v = facts.least_virtual_stages;
                 v <= std::min(facts.most_virtual_stages, 3); ++v) {
              SCOPED_TRACE(fmt::format("{} {} p {} v {} M {} ties {}{}{}", name, rule, p, v, M,
                                       ties.global_norm, ties.tied_matrix, ties.embedding_learns));
              visit(request(name, rule, p, M, v, ties));
            }
          }
}

std::int64_t count(const Plan& plan, Op op, std::int32_t stage) {
  std::int64_t found = 0;
  for (const std::vector<Action>& row : plan.rows)
    found += std::count_if(row.begin(), row.end(),
                           [&](const Action& a) { return a.op == op && a.stage == stage; });
  return found;
}

TEST(Plan, EverySchedulePassesEveryMicroBatchOnceThroughEveryStage) {
  for_all_requests({1, 2, 3, 5}, {1, 2, 3, 4, 7, 12}, [](const ScheduleRequest& request) {
    const Plan plan = make_plan(request);
    ASSERT_NO_THROW(rehearse(plan, 3));
    ASSERT_EQ(plan.ranks(), request.ranks);
    ASSERT_EQ(plan.stages(), request.ranks * request.virtual_stages);
    for (std::int32_t s = 0; s < plan.stages(); ++s) {
      const StageRole& role = request.roles[static_cast<std::size_t>(s)];
      const std::int64_t M = request.micro_batches;
      EXPECT_EQ(count(plan, Op::forward, s), M);
      const Op last = is_split(request.schedule) ? Op::backward_weight : Op::backward;
      EXPECT_EQ(count(plan, last, s), role.has_backward ? M : 0);
      EXPECT_EQ(count(plan, Op::update, s), role.updates ? 1 : 0);
      EXPECT_EQ(count(plan, Op::share_norms, s), request.ties.global_norm ? 1 : 0);
      EXPECT_EQ(count(plan, Op::receive_error, s), role.takes_error ? M : 0);
      EXPECT_EQ(count(plan, Op::receive_gradient, s), role.takes_gradient ? M : 0);
    }
  });
}

/// Most micro-batches of a rank's stages between forward and last backward, by the rows alone.
std::int32_t most_held(const Plan& plan, std::size_t rank) {
  std::int32_t held = 0, most = 0;
  for (const Action& a : plan.rows[rank]) {
    held += a.op == Op::forward;
    held -= a.op == Op::backward || a.op == Op::backward_weight;
    most = std::max(most, held);
  }
  return most;
}

TEST(Plan, MemoryIsWhatTheSchedulePromises) {
  for (const std::int32_t p : {1, 2, 3, 4, 8, 13})
    for (const std::int32_t M : {1, 2, 5, 8, 16, 40}) {
      SCOPED_TRACE(fmt::format("p {} M {}", p, M));
      const auto held = [&](const std::string& schedule, const std::string& rule, std::int32_t r) {
        return most_held(make_plan(request(schedule, rule, p, M, stages_of_a_rank(schedule))),
                         static_cast<std::size_t>(r));
      };
      for (std::int32_t r = 0; r < p; ++r) {
        EXPECT_EQ(held("gpipe", "bp", r), M);
        EXPECT_EQ(held("1f1b", "bp", r), std::min(M, p - r));
        EXPECT_LE(held("zb-h1", "bp", r), std::min(M, p));
        EXPECT_LE(held("zb-h2", "bp", r), std::min(M, 2 * p - 1));
        EXPECT_LE(held("zb-v", "bp", r), std::min(2 * M, p > 4 ? 2 * p + (p + 3) / 4 : 2 * p));
        EXPECT_EQ(held("unlocked", "dfa", r), std::min(M, p));
      }
    }
}

TEST(Plan, InFlightLimitsHoldAndSlotsFollow) {
  for (std::int32_t in_flight = 1; in_flight <= 8; ++in_flight) {
    ScheduleRequest r = request("unlocked", "dfa", 4, 12);
    r.in_flight = in_flight;
    const Plan plan = make_plan(r);
    for (std::size_t rank = 0; rank < 4; ++rank) EXPECT_EQ(most_held(plan, rank), in_flight);
    for (const std::int32_t slots : rehearse(plan).slots) EXPECT_GE(slots, in_flight);
  }
}

TEST(Plan, RowsAloneAskForNoMoreSlots) {
  for_all_requests({1, 3, 4}, {1, 5, 8}, [](const ScheduleRequest& request) {
    const Plan plan = make_plan(request);
    const std::vector<std::int32_t> least = least_slots(plan), slots = rehearse(plan).slots;
    for (std::size_t s = 0; s < slots.size(); ++s) EXPECT_LE(least[s], slots[s]);
  });
  const std::vector<std::int32_t> held = least_slots(make_plan(request("1f1b", "bp", 4, 9)));
  EXPECT_EQ(held, (std::vector<std::int32_t>{4, 3, 2, 1}));
}

TEST(Plan, SlotsAreEnoughToLoseNoTime) {
  for_all_requests({2, 4}, {1, 3, 8}, [](const ScheduleRequest& request) {
    const Plan plan = make_plan(request);
    const ExecutionOptions free{.steps = 4};
    ExecutionOptions tight = free;
    tight.slots = rehearse(plan).slots;
    EXPECT_DOUBLE_EQ(execute(plan, tight).ranks.back().back().end,
                     execute(plan, free).ranks.back().back().end);
  });
}

TEST(Plan, ForwardOnlyPlansRunWithOneSlotEach) {
  for (const ScheduleFacts& facts : schedules)
    for (const std::int32_t p : {1, 2, 4})
      for (const std::int32_t M : {1, 2, 3, 9}) {
        const std::string name(facts.name);
        const std::string rule = is_split(name) ? "bp" : "shallow";
        SCOPED_TRACE(fmt::format("{} p {} M {}", name, p, M));
        const Plan plan =
            forward_only_plan(make_plan(request(name, rule, p, 2, stages_of_a_rank(name))), M);
        EXPECT_NO_THROW(rehearse(plan));
        const std::vector<std::int32_t> one(plan.rank_of.size(), 1);
        const Execution run = execute(plan, {.steps = 2, .slots = one});
        EXPECT_TRUE(run.finished);
        for (std::int32_t s = 0; s < plan.stages(); ++s) EXPECT_EQ(count(plan, Op::forward, s), M);
      }
}

/// Plans to damage: small, and between them every kind of action.
std::vector<Plan> samples() {
  const Ties all = {true, true, true};
  return {make_plan(request("1f1b", "bp", 2, 2, 1, all)),
          make_plan(request("unlocked", "dfa-head", 3, 2, 1, all)),
          make_plan(request("interleaved", "dfa", 2, 2, 2)),
          make_plan(request("zb-h1", "bp", 3, 3)),
          make_plan(request("zb-v", "bp", 2, 3, 2, all)),
          make_plan(request("gpipe", "shallow", 2, 3, 1, all))};
}

TEST(DamagedPlan, LostOrDoubledActionsAreFound) {
  for (const Plan& good : samples())
    for (std::size_t r = 0; r < good.rows.size(); ++r)
      for (std::size_t i = 0; i < good.rows[r].size(); ++i) {
        SCOPED_TRACE(fmt::format("{} rank {} {}", good.schedule, r, short_name(good.rows[r][i])));
        const auto at = static_cast<std::ptrdiff_t>(i);
        Plan without = good;
        without.rows[r].erase(without.rows[r].begin() + at);
        EXPECT_THROW(check_actions(without), std::logic_error);
        Plan twice = good;
        twice.rows[r].insert(twice.rows[r].begin() + at, good.rows[r][i]);
        EXPECT_THROW(check_actions(twice), std::logic_error);
      }
}

TEST(DamagedPlan, ChangedActionsAreFound) {
  for (const Plan& good : samples())
    for (std::size_t r = 0; r < good.rows.size(); ++r)
      for (std::size_t i = 0; i < good.rows[r].size(); ++i) {
        SCOPED_TRACE(fmt::format("{} rank {} {}", good.schedule, r, short_name(good.rows[r][i])));
        const auto changed = [&](auto change) {
          Plan plan = good;
          change(plan.rows[r][i]);
          return plan;
        };
        EXPECT_THROW(check_actions(changed([](Action& a) { a.stage = 99; })), std::logic_error);
        EXPECT_THROW(check_actions(changed([](Action& a) { a.micro_batch = 99; })),
                     std::logic_error);
        EXPECT_THROW(check_actions(changed([](Action& a) { a.peer += 1; })), std::logic_error);
        EXPECT_THROW(check_actions(changed([](Action& a) {
                       a.op = a.op == Op::forward ? Op::backward : Op::forward;
                     })),
                     std::logic_error);
      }
}

/// Whether the second of two neighbours asks for the first: nothing asks for a send to have gone.
bool depends(const Action& before, const Action& after) {
  const bool same = before.stage == after.stage && before.micro_batch == after.micro_batch;
  if (is_send(before.op) || (is_receive(before.op) && is_receive(after.op))) return false;
  if (after.micro_batch >= 0) return same;
  return before.stage == after.stage && (is_compute(before.op) || after.op == Op::update) &&
         after.op != Op::send_tied;
}

TEST(DamagedPlan, NeighboursInTheWrongOrderAreFound) {
  std::int64_t swapped = 0;
  for (const Plan& good : samples())
    for (std::size_t r = 0; r < good.rows.size(); ++r)
      for (std::size_t i = 0; i + 1 < good.rows[r].size(); ++i) {
        const Action &a = good.rows[r][i], &b = good.rows[r][i + 1];
        if (!depends(a, b)) continue;
        SCOPED_TRACE(
            fmt::format("{} rank {} {} {}", good.schedule, r, short_name(a), short_name(b)));
        Plan plan = good;
        std::swap(plan.rows[r][i], plan.rows[r][i + 1]);
        EXPECT_THROW(check_actions(plan), std::logic_error);
        ++swapped;
      }
  EXPECT_GT(swapped, 100);
}

TEST(DamagedPlan, MessagesInAnotherOrderOnTheirTwoEndsAreFound) {
  Plan plan = make_plan(request("gpipe", "bp", 2, 2));
  // Rank 1 takes the micro-batches in another order than rank 0 sends them.
  for (Action& a : plan.rows[1])
    if (a.micro_batch >= 0) a.micro_batch = 1 - a.micro_batch;
  EXPECT_THROW(check_actions(plan), std::logic_error);
}

TEST(DamagedPlan, RanksThatWaitForEachOtherArePictured) {
  Plan plan = make_plan(request("interleaved", "bp", 2, 2, 2));
  // Rank 0 wants the activation of stage 1 before it has sent any to it.
  std::vector<Action>& row = plan.rows[0];
  const auto first = std::find(row.begin(), row.end(), Action{Op::receive_activation, 2, 0, 1});
  ASSERT_NE(first, row.end());
  std::rotate(row.begin(), first, first + 3);
  EXPECT_NO_THROW(check_actions(plan));
  try {
    rehearse(plan);
    FAIL() << "a deadlock was not seen";
  } catch (const std::logic_error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("rank 0: [<a0] F0"), std::string::npos) << text;
    EXPECT_NE(text.find("rank 1: [<a0] F0"), std::string::npos) << text;
  }
}

TEST(DamagedPlan, TooFewSlotsAreSeen) {
  const Plan plan = make_plan(request("gpipe", "bp", 2, 4));
  EXPECT_FALSE(execute(plan, {.slots = {3, 4}}).finished);
  EXPECT_TRUE(execute(plan, {.slots = {4, 4}}).finished);
}

/// What the user reads when a schedule does not fit.
std::string refusal(const ScheduleRequest& r) {
  try {
    make_plan(r);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::usage);
    return error.what();
  }
  return "";
}

TEST(Schedules, ThoseThatDoNotFitAreRefused) {
  const auto expect = [](const ScheduleRequest& r, const std::string& part) {
    const std::string text = refusal(r);
    EXPECT_NE(text.find(part), std::string::npos) << r.schedule << ": \"" << text << "\"";
  };
  expect(request("zigzag", "bp", 2, 2), "there is no schedule \"zigzag\"");
  expect(request("unlocked", "bp", 2, 2), "waits for the gradient of the stage above");
  expect(request("zb-h1", "dfa", 2, 2), "use unlocked");
  expect(request("zb-h2", "bp-head", 3, 2), "use 1f1b");
  expect(request("zb-v", "bp", 2, 2), "1 stage(s) on a rank; expected 2");
  expect(request("interleaved", "bp", 2, 2), "expected 2 or more");
  expect(request("gpipe", "bp", 2, 2, 2), "2 stage(s) on a rank; expected 1");
  ScheduleRequest limited = request("1f1b", "bp", 2, 2);
  limited.in_flight = 1;
  expect(limited, "in_flight = 1 has no effect");
  expect(request("1f1b", "bp", 2, 0), "0 micro-batch(es)");
}

}  // namespace
}  // namespace dfascale::test
