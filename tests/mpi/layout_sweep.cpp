// Every layout of the ranks that are running, with every rule, schedule, split, kind of ZeRO, clip
// and matrix that go together, against one rank: a table, and exit code 1 where losses disagree.
// jobs/layout_sweep.sh launches it.
#include <cstdio>

#include "tests/support/layouts.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t steps = 20, strict_steps = 10;
constexpr double strict = 1e-5, loose = 1e-4;  // relative, of losses: order of float32 sums

/// Balanced; uneven; the head alone.  Of six blocks.
std::vector<std::string> splits_of(std::int64_t stages) {
  static const std::map<std::int64_t, std::vector<std::string>> given = {
      {2, {"1,5", "6,0"}}, {3, {"3,2,1", "2,4,0"}}, {4, {"1,2,1,2", "3,2,1,0"}}};
  std::vector<std::string> splits = {""};
  if (const auto found = given.find(stages); found != given.end())
    splits.insert(splits.end(), found->second.begin(), found->second.end());
  return splits;
}

/// A stage that is the head alone has no backward to be split in two.
bool goes_with(const std::string& split, const std::string& schedule) {
  return !schedule.starts_with("zb-") || !split.ends_with(",0");
}

/// What the same layout, rule and schedule are tried with.
void add_variants(std::vector<Case>& cases, const Case& base) {
  const std::int64_t stages = base.pp * find_schedule(base.schedule)->least_virtual_stages;
  for (const std::string& split : splits_of(stages))
    for (const bool tied : {true, false})
      for (const bool clips_blocks : {true, false})
        for (std::int64_t zero = 0; zero <= (base.dp > 1 ? 1 : 0); ++zero) {
          if (!goes_with(split, base.schedule)) continue;
          Case c = base;
          c.split = split;
          c.tied = tied;
          c.clips_blocks = clips_blocks;
          c.zero = zero;
          cases.push_back(c);
        }
}

std::vector<Case> cases(std::int64_t ranks) {
  std::vector<Case> found;
  for (std::int64_t pp = 1; pp <= ranks; ++pp) {
    if (ranks % pp != 0) continue;
    const std::int64_t dp = ranks / pp, M = dp > 2 ? 2 : 6;
    for (const char* rule : {"bp", "dfa", "dfa-canonical", "shallow"})
      for (const ScheduleFacts& schedule : schedules) {
        const std::string name(schedule.name);
        if (!fits(name, preset(rule)) || pp * schedule.least_virtual_stages > 6) continue;
        add_variants(found, {rule, true, true, name, "", dp, pp, 0, M, 0});
      }
  }
  return found;
}

/// One row of the table; whether the losses agree.
bool compare(const Session& session, const Case& c) {
  const Comm& world = session.comm();
  const Device& on = session.device();
  const std::vector<double>& one = losses_of_one_rank(world, on, c, steps);
  const std::vector<double> found = Trained(world, on, c, steps).losses();
  const double early = worst_difference(found, one, 0, strict_steps),
               late = worst_difference(found, one, strict_steps, steps);
  const bool agrees = early < strict && late < loose;
  if (world.rank() == 0)
    fmt::print("{:<6} {:<14} {:<12} {:<9} {:>4} {:<7} {:<7} {:>3} {:>10.1e} {:>10.1e}  {}\n",
               fmt::format("{}x{}", c.dp, c.pp), c.rule, c.schedule,
               c.split.empty() ? "balanced" : c.split, c.zero, c.tied ? "tied" : "untied",
               c.clips_blocks ? "block" : "global", c.micro_batches, early, late,
               agrees ? "agrees" : "DISAGREES");
  std::fflush(stdout);
  return agrees;
}

int sweep() {
  const Session session;
  const std::vector<Case> all = cases(session.comm().size());
  std::size_t agreeing = 0;
  for (const Case& c : all) agreeing += compare(session, c) ? 1 : 0;
  if (session.comm().rank() == 0)
    fmt::print("{} rank(s): {} of {} agree with one rank\n", session.comm().size(), agreeing,
               all.size());
  return agreeing == all.size() && !all.empty() ? 0 : 1;
}

}  // namespace
}  // namespace dfascale::test

int main() { return dfascale::run_guarded(dfascale::test::sweep); }
