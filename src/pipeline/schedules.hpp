// Schedules by name: the order in which each rank of a pipeline computes (SPEC section 6).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/plan.hpp"

namespace dfascale {

struct ScheduleFacts {
  std::string_view name, help;
  std::int32_t least_virtual_stages, most_virtual_stages;  ///< that a rank may hold
};

inline constexpr std::int32_t many_stages = 1 << 10;
inline constexpr std::array schedules = {
    ScheduleFacts{"gpipe", "all forwards, then all backwards (Huang et al. 2019)", 1, 1},
    ScheduleFacts{"1f1b",
                  "as few micro-batches under way as the pipeline's depth wants "
                  "(Narayanan et al. 2019)",
                  1, 1},
    ScheduleFacts{"interleaved", "1f1b with several stages on a rank (Narayanan et al. 2021)", 2,
                  many_stages},
    ScheduleFacts{"zb-h1", "weight gradients fill the bubble, at 1f1b's memory (Qi et al. 2023)", 1,
                  1},
    ScheduleFacts{"zb-h2", "the same with nearly twice the memory and no bubble", 1, 1},
    ScheduleFacts{"zb-v",
                  "the same with two stages on a rank, in a V, at 1f1b's memory or "
                  "an eighth more (Qi et al. 2024)",
                  2, 2},
    ScheduleFacts{"unlocked",
                  "direct feedback: the same order on every stage, which waits for no "
                  "other stage's backward",
                  1, 1},
};

/// Null if there is none of that name.
const ScheduleFacts* find_schedule(std::string_view name);

/// Whether it takes the backward apart: input gradients, and weight gradients some time later.
/// Then every stage must have a backward that passes a gradient down.
bool is_split(std::string_view schedule);

struct ScheduleRequest {
  std::string schedule;
  std::int32_t ranks;               ///< p
  std::int32_t virtual_stages = 1;  ///< of each rank; ranks * virtual_stages stages
  std::int32_t micro_batches;       ///< M
  /// unlocked: most micro-batches between forward and backward; 0: p.
  std::int32_t in_flight = 0;
  std::vector<StageRole> roles;  ///< by stage
  Ties ties;
};

/// The whole plan of a step, with messages.  rehearse() proves it and says what memory it takes.
/// Throws Error(Exit::usage) if the schedule does not fit the roles.
Plan make_plan(const ScheduleRequest& request);

/// Forwards of so many micro-batches through the stages of a plan, for validation.
Plan forward_only_plan(const Plan& plan, std::int32_t micro_batches);

}  // namespace dfascale
