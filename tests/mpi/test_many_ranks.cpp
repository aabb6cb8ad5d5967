// Many more ranks than cores: every schedule finishes, and its losses are those of one rank.
#include <gtest/gtest.h>

#include "tests/support/layouts.hpp"
#include "tests/support/rule_names.hpp"
#include "tests/support/session.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t steps = 3, sequences = 32;
constexpr double allowed = 1e-5;  // relative, of losses: order of float32 sums

/// One stage a block; two stages a rank need half as many ranks in a pipeline.
Case case_on(const std::string& rule, const std::string& schedule, std::int64_t pp, bool tied) {
  const std::int64_t dp = session->comm().size() / pp, M = std::min<std::int64_t>(16, 32 / dp);
  Case c{rule, tied, !tied, schedule, "", dp, pp, dp > 1 && !tied ? 1 : 0, M, 0};
  c.layers = session->comm().size();
  c.batch_sequences = sequences;
  return c;
}

void expect_like_one_rank(const Case& c) {
  SCOPED_TRACE(c.name());
  const std::vector<double>& one = losses_of_one_rank(session->comm(), session->device(), c, steps);
  const std::vector<double> found = Trained(session->comm(), session->device(), c, steps).losses();
  EXPECT_LT(worst_difference(found, one, 0, steps), allowed);
  // The first and the third step see the same batch.
  EXPECT_GT(std::abs(one.back() / one.front() - 1), 10 * allowed) << "no parameter moved";
}

class ManyRanks : public testing::TestWithParam<std::string> {};

TEST_P(ManyRanks, FinishEverySchedule) {
  const std::int64_t ranks = session->comm().size();
  for (const ScheduleFacts& facts : schedules) {
    const std::string schedule(facts.name);
    if (!fits(schedule, preset(GetParam()))) continue;
    const std::int64_t longest = ranks / facts.least_virtual_stages;
    for (std::int64_t pp = 2; pp <= longest; pp *= 2)
      expect_like_one_rank(case_on(GetParam(), schedule, pp, false));
    expect_like_one_rank(case_on(GetParam(), schedule, longest, true));
  }
}

INSTANTIATE_TEST_SUITE_P(Each, ManyRanks, all_rules(), rule_name);

TEST(ManyRanks, ReplicasAlone) {
  for (const char* rule : {"bp", "dfa"}) expect_like_one_rank(case_on(rule, "1f1b", 1, false));
}

}  // namespace
}  // namespace dfascale::test
