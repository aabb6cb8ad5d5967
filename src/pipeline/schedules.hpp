#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/plan.hpp"
namespace dfascale {
struct ScheduleFacts {
  std::string_view name, help;
  std::int32_t least_virtual_stages, most_virtual_stages;
};
inline constexpr std::array schedules = {
    ScheduleFacts{"gpipe", "", 1, 1},
    ScheduleFacts{"1f1b", "", 1, 1},
    ScheduleFacts{"unlocked", "", 1, 1},
    ScheduleFacts{"zb-h1", "", 1, 1},
};
inline const ScheduleFacts* find_schedule(std::string_view name) {
  for (const ScheduleFacts& s : schedules)
    if (s.name == name) return &s;
  return nullptr;
}
struct ScheduleRequest {
  std::string schedule;
  std::int32_t ranks;
  std::int32_t virtual_stages = 1;
  std::int32_t micro_batches;
  std::int32_t in_flight = 0;
  std::vector<StageRole> roles;
  Ties ties;
};
Plan make_plan(const ScheduleRequest&);
Plan forward_only_plan(const Plan& plan, std::int32_t micro_batches);
}  // namespace dfascale
