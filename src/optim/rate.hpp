// Learning-rate schedules: linear warm-up, then one of a table of shapes (SPEC section 3).
#pragma once

#include "deck/settings.hpp"

namespace dfascale {

/// Learning rate of step `step` (from 0).  Warm-up reaches the full rate with the step that passes
/// warmup_tokens; the rest of the budget decays to floor * learning_rate.
double learning_rate_at(const OptimSettings& optim, std::int64_t step, std::int64_t step_tokens);

}  // namespace dfascale
