// Requests for plans: what each stage of a pipeline does under a rule, without a model.
#pragma once

#include <string>
#include <vector>

#include "pipeline/schedules.hpp"

namespace dfascale::test {

/// What a rule makes of every stage, as credit/roles.hpp does: "bp", "dfa" (embedding from block
/// 0), "shallow"; "-head" added: the head is a stage of its own.
inline std::vector<StageRole> roles_of(const std::string& rule, std::int32_t stages) {
  const bool head_alone = rule.ends_with("-head") && stages > 1;
  const bool chain = rule.starts_with("bp"), direct = rule.starts_with("dfa");
  std::vector<StageRole> roles;
  for (std::int32_t s = 0; s < stages; ++s) {
    const bool is_head = s == stages - 1;
    const bool has_last_block = s == stages - (head_alone ? 2 : 1);
    const bool is_fed_back = direct && !has_last_block && !(head_alone && is_head);
    StageRole role{};
    role.has_backward = !(head_alone && is_head) && (chain || direct || has_last_block);
    role.updates = role.has_backward || is_head;
    role.takes_gradient = !is_head && (chain || has_last_block);
    role.takes_error = is_fed_back;
    roles.push_back(role);
  }
  return roles;
}

inline ScheduleRequest request(const std::string& schedule, const std::string& rule,
                               std::int32_t ranks, std::int32_t micro_batches,
                               std::int32_t virtual_stages = 1, const Ties& ties = {}) {
  ScheduleRequest r{};
  r.schedule = schedule;
  r.ranks = ranks;
  r.virtual_stages = virtual_stages;
  r.micro_batches = micro_batches;
  r.roles = roles_of(rule, ranks * virtual_stages);
  r.ties = ties;
  // Whoever holds a matrix that is trained updates it.
  if (ties.tied_matrix) r.roles.front().updates = true;
  r.ties.embedding_learns = ties.embedding_learns && r.roles.front().has_backward;
  return r;
}

/// Whether a schedule is for a rule.
inline bool fits(const std::string& schedule, const std::string& rule, std::int32_t ranks) {
  if (is_split(schedule)) return rule == "bp";
  return schedule != "unlocked" || !rule.starts_with("bp") ||
         ranks < (rule.ends_with("-head") ? 3 : 2);
}

inline std::int32_t stages_of_a_rank(const std::string& schedule) {
  return find_schedule(schedule)->least_virtual_stages;
}

}  // namespace dfascale::test
