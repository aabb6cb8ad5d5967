// What a rule makes each stage of a pipeline do: which messages there are follows from it.
#pragma once

#include <vector>

#include "credit/rule.hpp"
#include "model/stage.hpp"
#include "pipeline/plan.hpp"

namespace dfascale {

inline std::vector<StageRole> stage_roles(const Shape& shape, const Rule& rule,
                                          const std::vector<StageRange>& ranges) {
  std::vector<StageRole> roles;
  for (const StageRange& range : ranges) {
    roles.push_back({.learns = ParameterTable(shape, rule, range).trained_size() > 0,
                     .takes_gradient = takes_gradient(rule, range, shape.layers),
                     .takes_error = !range.has_head && is_fed_back(rule, range, shape.layers),
                     .learns_in_forward = range.has_head && range.blocks() == 0});
  }
  return roles;
}

}  // namespace dfascale
