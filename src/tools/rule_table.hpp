// The credit rules side by side: what a token costs under each, exactly and as the paper counts.
#pragma once

#include <string>
#include <vector>

#include "credit/flops.hpp"

namespace dfascale {

/// A rule that is compared: the presets, and shallow with its projector trained.
struct NamedRule {
  std::string name;
  Rule rule;
};
std::vector<NamedRule> compared_rules();

struct RuleCost {
  std::string name;
  std::int64_t trained;  ///< parameters
  Flops flops;           ///< exact, per token
  double paper_factor;   ///< 6, 4 or 2 FLOP per parameter and token (SPEC section 5)
  double paper;          ///< paper_factor * N
};
std::vector<RuleCost> rule_costs(const Shape& shape);

/// The line that says what a token costs.
void say_flops(const Flops& flops);

}  // namespace dfascale
