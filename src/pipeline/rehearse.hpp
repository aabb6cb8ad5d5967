#pragma once
#include "pipeline/plan.hpp"
namespace dfascale {
struct Rehearsal {
  std::vector<std::int32_t> slots;
};
Rehearsal rehearse(const Plan&, std::int32_t steps = 2);
}  // namespace dfascale
