#include "pipeline/schedules.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "pipeline/messages.hpp"
#include "pipeline/orders.hpp"

namespace dfascale {
namespace {

using Generator = Order (*)(const ScheduleRequest&);

Order gpipe(const ScheduleRequest& r) { return gpipe_order(r.ranks, r.micro_batches); }

/// By rank: forwards before the first backward, fewer the nearer to the end.
std::vector<std::int32_t> down_to_one(std::int32_t ranks, std::int32_t slope) {
  std::vector<std::int32_t> ahead(static_cast<std::size_t>(ranks));
  for (std::int32_t r = 0; r < ranks; ++r)
    ahead[static_cast<std::size_t>(r)] = slope * (ranks - 1 - r) + 1;
  return ahead;
}

Order one_f_one_b(const ScheduleRequest& r) {
  return alternating_order(down_to_one(r.ranks, 1), r.micro_batches);
}

Order interleaved(const ScheduleRequest& r) {
  return interleaved_order(r.ranks, r.micro_batches, r.virtual_stages);
}

Order zb_h1(const ScheduleRequest& r) {
  return zero_bubble_order(down_to_one(r.ranks, 1), r.ranks, r.micro_batches);
}

/// As many forwards ahead as fill the time until the first gradient is there.
Order zb_h2(const ScheduleRequest& r) {
  return zero_bubble_order(down_to_one(r.ranks, 2), 2 * r.ranks - 1, r.micro_batches);
}

/// A rank's two stages weigh half as much each.  The greedy order wants an eighth more than 1f1b's
/// memory in pipelines of more than 4 to leave no bubble; tests/unit/test_simulate.cpp.
Order zb_v(const ScheduleRequest& r) {
  const std::int32_t extra = r.ranks > 4 ? (r.ranks + 3) / 4 : 0;
  return zero_bubble_v_order(r.ranks, 2 * r.ranks + extra, r.micro_batches);
}

/// Error and input are all that a stage needs, so the same order on every rank keeps all of them
/// busy, each one forward later than the one before; p forwards ahead cover the way to the head.
Order unlocked(const ScheduleRequest& r) {
  const std::int32_t ahead = r.in_flight > 0 ? r.in_flight : r.ranks;
  return alternating_order(std::vector<std::int32_t>(static_cast<std::size_t>(r.ranks), ahead),
                           r.micro_batches);
}

/// In the order of `schedules`.
constexpr std::array<Generator, schedules.size()> generators = {
    gpipe, one_f_one_b, interleaved, zb_h1, zb_h2, zb_v, unlocked};

/// The lowest stage whose backward waits for the backward of the stage above; -1: none does.
std::int32_t first_chained(const std::vector<StageRole>& roles) {
  for (std::size_t s = 0; s + 1 < roles.size(); ++s)
    if (roles[s].has_backward && roles[s].takes_gradient && roles[s + 1].has_backward)
      return static_cast<std::int32_t>(s);
  return -1;
}

void check(const ScheduleRequest& r, const ScheduleFacts& facts) {
  if (r.virtual_stages < facts.least_virtual_stages || r.virtual_stages > facts.most_virtual_stages)
    fail(Exit::usage, "schedule {}: {} stage(s) on a rank; expected {}", r.schedule,
         r.virtual_stages,
         facts.least_virtual_stages == facts.most_virtual_stages
             ? fmt::format("{}", facts.least_virtual_stages)
             : fmt::format("{} or more", facts.least_virtual_stages));
  if (r.ranks < 1 || r.micro_batches < 1 ||
      r.roles.size() !=
          static_cast<std::size_t>(r.ranks) * static_cast<std::size_t>(r.virtual_stages))
    fail(Exit::usage, "schedule {}: {} rank(s), {} micro-batch(es), {} stage(s)", r.schedule,
         r.ranks, r.micro_batches, r.roles.size());
  if (r.in_flight > 0 && r.schedule != "unlocked")
    fail(Exit::usage,
         "schedule {}: in_flight = {} has no effect, the schedule itself says how many "
         "micro-batches "
         "are under way; set it to 0 or use schedule unlocked",
         r.schedule, r.in_flight);
  if (r.schedule == "unlocked" && first_chained(r.roles) >= 0)
    fail(
        Exit::usage,
        "schedule unlocked: stage {} waits for the gradient of the stage above, so nothing is "
        "unlocked; use it with rule dfa, dfa-canonical or shallow, or take another schedule (1f1b, "
        "zb-h1)",
        first_chained(r.roles));
  const auto chains = [](const StageRole& role) { return role.has_backward; };
  const bool all_learn = std::all_of(r.roles.begin(), r.roles.end() - 1, chains);
  const bool is_chain = r.roles.size() == 1 || first_chained(r.roles) == 0;
  const bool head_alone = !r.roles.back().has_backward;
  if (is_split(r.schedule) && (!all_learn || !is_chain || head_alone))
    fail(Exit::usage,
         "schedule {}: splits the backward of stages that pass gradients down, all of them: it is "
         "for rule bp, without a stage that is the head alone; use {} instead",
         r.schedule, is_chain ? "1f1b" : "unlocked");
}

}  // namespace

const ScheduleFacts* find_schedule(std::string_view name) {
  const auto found = std::find_if(schedules.begin(), schedules.end(),
                                  [&](const ScheduleFacts& s) { return s.name == name; });
  return found == schedules.end() ? nullptr : &*found;
}

bool is_split(std::string_view schedule) { return schedule.starts_with("zb-"); }

Plan make_plan(const ScheduleRequest& request) {
  const ScheduleFacts* facts = find_schedule(request.schedule);
  if (facts == nullptr) fail(Exit::usage, "there is no schedule \"{}\"", request.schedule);
  check(request, *facts);
  const Generator generate = generators[static_cast<std::size_t>(facts - schedules.data())];
  return with_messages(request.schedule, generate(request), request.roles, request.ties);
}

Plan forward_only_plan(const Plan& plan, std::int32_t micro_batches) {
  const std::vector<StageRole> roles(plan.roles.size(), StageRole{false, false, false, false});
  return with_messages("forward-only", forward_order(plan.ranks(), micro_batches, plan.rank_of),
                       roles, {});
}

}  // namespace dfascale
