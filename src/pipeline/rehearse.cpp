#include "pipeline/rehearse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "pipeline/execute.hpp"
#include "pipeline/grid.hpp"

namespace dfascale {
namespace {

constexpr std::size_t shown_rows = 16;

[[noreturn]] void tell_stuck(const Plan& plan, const Execution& tried) {
  std::string text = fmt::format("plan \"{}\": ranks wait for each other for ever", plan.schedule);
  std::size_t shown = 0;
  for (std::size_t r = 0; r < tried.stuck_at.size() && shown < shown_rows; ++r)
    if (tried.stuck_at[r] >= 0) {
      text += "\n  " + row_around(plan, r, static_cast<std::size_t>(tried.stuck_at[r]));
      ++shown;
    }
  throw std::logic_error(text);
}

/// Nothing holds back a stage that only passes on but the memory it has: one micro-batch on its way
/// while the next is computed.
std::vector<std::int32_t> limits(const Plan& plan) {
  std::vector<std::int32_t> slots(plan.roles.size(), unlimited);
  for (std::size_t s = 0; s + 1 < slots.size(); ++s)
    if (!plan.roles[s].has_backward) slots[s] = std::min(plan.micro_batches, 2);
  return slots;
}

}  // namespace

Rehearsal rehearse(const Plan& plan, std::int32_t steps) {
  check_actions(plan);
  ExecutionOptions options{.steps = steps, .slots = limits(plan)};
  const Execution free = execute(plan, options);
  if (!free.finished) tell_stuck(plan, free);
  options.slots = free.slots;
  const bool passes_on = !plan.roles.back().has_backward && plan.micro_batches > 1;
  if (passes_on) options.slots.back() = std::max(options.slots.back(), 2);
  const Execution tried = execute(plan, options);
  if (!tried.finished) tell_stuck(plan, tried);
  return {options.slots};
}

std::vector<std::int32_t> least_slots(const Plan& plan) {
  const auto M = static_cast<std::size_t>(plan.micro_batches);
  std::vector<std::int32_t> left(plan.rank_of.size() * M, 0);  // actions, by stage, micro-batch
  const auto place = [&](const Action& a) {
    return static_cast<std::size_t>(a.stage) * M + static_cast<std::size_t>(a.micro_batch);
  };
  for (const std::vector<Action>& row : plan.rows)
    for (const Action& a : row)
      if (a.micro_batch >= 0) ++left[place(a)];
  std::vector<bool> is_held(left.size(), false);
  std::vector<std::int32_t> held(plan.rank_of.size(), 0), most(plan.rank_of.size(), 1);
  for (const std::vector<Action>& row : plan.rows)
    for (const Action& a : row) {
      if (a.micro_batch < 0) continue;
      const auto s = static_cast<std::size_t>(a.stage);
      if (!is_held[place(a)]) most[s] = std::max(most[s], ++held[s]);
      is_held[place(a)] = true;
      if (--left[place(a)] == 0) --held[s];
    }
  return most;
}

}  // namespace dfascale
