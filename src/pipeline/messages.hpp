// Turns an order of computations into a plan: adds the messages that follow from the rule's roles,
// and what a step does once.
#pragma once

#include <string>

#include "pipeline/orders.hpp"

namespace dfascale {

/// Backwards of stages that have none are left out.
Plan with_messages(const std::string& schedule, Order order, const std::vector<StageRole>& roles,
                   const Ties& ties);

}  // namespace dfascale
