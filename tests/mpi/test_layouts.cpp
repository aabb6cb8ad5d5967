// Layout invariance: on every layout of the ranks at hand, under every rule and every schedule that
// fits it, training follows the run of one rank, and twice the same layout gives the same bits.
#include <gtest/gtest.h>

#include "tests/support/layouts.hpp"
#include "tests/support/session.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t steps = 20, strict_steps = 10;
constexpr double strict = 1e-5, loose = 1e-4;  // relative, of losses: order of float32 sums

void expect_like_one_rank(const Case& c) {
  SCOPED_TRACE(c.name());
  const std::vector<double>& one = losses_of_one_rank(session->comm(), session->device(), c, steps);
  const std::vector<double> found = Trained(session->comm(), session->device(), c, steps).losses();
  EXPECT_LT(worst_difference(found, one, 0, strict_steps), strict);
  EXPECT_LT(worst_difference(found, one, strict_steps, steps), loose);
  EXPECT_LT(one.back(), 0.98 * one.front()) << "nothing was learnt";
}

/// Losses of every step, and the parameters of this rank's stages at the end.
struct Outcome {
  std::vector<double> losses;
  std::vector<float> parameters;
};

Outcome train(const Comm& world, const Case& c, std::int64_t number = steps) {
  const Trained trained(world, session->device(), c, number);
  Outcome outcome{trained.losses(), {}};
  for (const Learner* learner : trained.learners())
    outcome.parameters.insert(outcome.parameters.end(), learner->values().data,
                              learner->values().data + learner->values().size);
  return outcome;
}

std::vector<Case> cases(std::int64_t ranks) {
  std::vector<Case> found;
  for (std::int64_t pp = 1; pp <= ranks; ++pp) {
    if (ranks % pp != 0) continue;
    const std::int64_t dp = ranks / pp, M = dp > 2 ? 2 : 6;
    for (const char* rule : {"bp", "dfa", "dfa-canonical", "shallow"}) {
      for (const bool tied : {true, false}) {
        for (const ScheduleFacts& schedule : schedules) {
          const std::string name(schedule.name);
          if (!fits(name, preset(rule)) || (pp == 1 && name != "1f1b")) continue;
          const std::int64_t v = schedule.least_virtual_stages;
          if (pp * v > 6) continue;
          for (std::int64_t zero = 0; zero <= (dp > 1 ? 1 : 0); ++zero)
            found.push_back({rule, tied, !tied || zero == 1, name, "", dp, pp, zero, M, 0});
        }
      }
    }
  }
  return found;
}

TEST(Layouts, FollowOneRank) {
  for (const Case& c : cases(session->comm().size())) expect_like_one_rank(c);
}

TEST(Layouts, UnevenSplitsAndTheHeadAlone) {
  const std::int64_t ranks = session->comm().size();
  const std::map<std::int64_t, std::vector<std::string>> splits = {
      {2, {"1,5", "6,0"}}, {3, {"3,2,1", "2,4,0"}}, {4, {"1,2,1,2", "3,2,1,0"}}};
  if (!splits.contains(ranks)) GTEST_SKIP() << "one stage cannot be split";
  for (const std::string& split : splits.at(ranks))
    for (const char* rule : {"bp", "dfa", "dfa-canonical", "shallow"})
      for (const bool tied : {true, false})
        for (const bool clips_blocks : {true, false})
          expect_like_one_rank(
              {rule, tied, clips_blocks, default_schedule(preset(rule)), split, 1, ranks, 0, 4, 0});
}

/// Rounded to bf16, sums of another order may round to the neighbour: losses agree to that only.
TEST(Layouts, HalfPrecisionFollowsOneRank) {
  for (Case c : cases(session->comm().size())) {
    if (!c.tied) continue;
    c.precision = Precision::bf16;
    SCOPED_TRACE(c.name());
    const std::vector<double>& one =
        losses_of_one_rank(session->comm(), session->device(), c, steps);
    const std::vector<double> found =
        Trained(session->comm(), session->device(), c, steps).losses();
    EXPECT_LT(worst_difference(found, one, 0, steps), 2e-3);
    c.precision = Precision::f32;
    const std::vector<double>& exact =
        losses_of_one_rank(session->comm(), session->device(), c, steps);
    EXPECT_LT(worst_difference(found, exact, 0, steps), 5e-3);
    EXPECT_GT(worst_difference(found, exact, 0, steps), 1e-6) << "nothing was rounded";
  }
}

/// One rank that holds the whole pipeline has norms of several stages.
TEST(Layouts, SeveralStagesOnEveryRank) {
  const std::int64_t ranks = session->comm().size();
  for (const bool clips_blocks : {true, false}) {
    for (const char* rule : {"bp", "dfa", "dfa-canonical"})
      expect_like_one_rank({rule, true, clips_blocks, "interleaved", "", ranks, 1, 0, 2, 0});
    expect_like_one_rank(
        {"bp", false, clips_blocks, "zb-v", "", ranks, 1, ranks > 1 ? 1 : 0, 2, 0});
  }
}

TEST(Layouts, FewerMicroBatchesInFlight) {
  const std::int64_t ranks = session->comm().size();
  for (std::int64_t in_flight = 1; in_flight <= ranks; ++in_flight)
    expect_like_one_rank({"dfa", true, true, "unlocked", "", 1, ranks, 0, 8, in_flight});
}

TEST(Layouts, RepeatTheirBits) {
  for (const Case& c : cases(session->comm().size())) {
    if (!c.tied || (c.rule != "bp" && c.rule != "dfa")) continue;
    SCOPED_TRACE(c.name());
    const Outcome one = train(session->comm(), c), two = train(session->comm(), c);
    EXPECT_EQ(one.losses, two.losses);
    EXPECT_EQ(one.parameters, two.parameters);
  }
}

/// Computing again what was dropped, or sending it elsewhere, changes no bit: in pipelines with
/// several slots, with backwards taken apart, on stages with frozen blocks, with several stages on
/// a rank.
TEST(Layouts, RecomputationChangesNoBit) {
  constexpr std::int64_t few_steps = 3;
  const std::int64_t ranks = session->comm().size();
  std::vector<Case> all = cases(ranks);
  all.push_back({"dfa", true, true, "interleaved", "", ranks, 1, 0, 2, 0});
  all.push_back({"bp", true, false, "zb-v", "", ranks, 1, 0, 2, 0});
  for (Case c : all) {
    if (!c.tied || c.zero > 0) continue;
    // All levels in both precisions: unit.recompute, on one rank.
    for (const Recompute level : {Recompute::fc1, Recompute::everything, Recompute::offloaded}) {
      c.precision = level != Recompute::everything ? Precision::f32 : Precision::bf16;
      c.recompute = Recompute::nothing;
      const Outcome kept = train(session->comm(), c, few_steps);
      c.recompute = level;
      SCOPED_TRACE(c.name());
      const Outcome again = train(session->comm(), c, few_steps);
      EXPECT_EQ(again.losses, kept.losses);
      EXPECT_EQ(again.parameters == kept.parameters, true);
    }
  }
}

/// Both ends of a pipeline hold a tied matrix, bit by bit the same after any number of updates.
TEST(Layouts, CopiesOfATiedMatrixStayTheSame) {
  const Comm& world = session->comm();
  if (world.size() == 1) GTEST_SKIP() << "one rank has one copy";
  for (const std::int64_t dp : {1, 2}) {
    if (world.size() % dp != 0 || world.size() / dp < 2) continue;
    for (const char* rule : {"bp", "dfa"}) {
      Case c{rule,   true, true, default_schedule(preset(rule)), "", dp, world.size() / dp,
             dp - 1, 2,    0};
      SCOPED_TRACE(c.name());
      const Trained trained(world, session->device(), c, steps);
      std::string bits;
      for (const Learner* learner : trained.learners()) {
        const Parameter& p = learner->table().find("token_embedding.weight");
        if (!p.held()) continue;
        const std::vector<float> values =
            download(trained.on(), p, Buffer::values, learner->values());
        bits.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
      }
      std::vector<std::string> copies = world.gather(bits);
      std::erase(copies, "");
      EXPECT_EQ(copies.size(), static_cast<std::size_t>(world.rank() == 0 ? 2 * dp : 0));
      for (const std::string& copy : copies) EXPECT_EQ(copy == copies.front(), true);
    }
  }
}

}  // namespace
}  // namespace dfascale::test
