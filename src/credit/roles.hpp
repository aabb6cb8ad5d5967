// What a rule makes each stage of a pipeline do: which messages there are follows from it.
#pragma once

#include <vector>

#include "credit/rule.hpp"
#include "model/stage.hpp"
#include "pipeline/plan.hpp"

namespace dfascale {

inline bool has_backward(const Rule& rule, const StageRange& range, std::int64_t layers) {
  if (range.has_embedding && trains_embedding(rule, layers)) return true;
  for (std::int64_t l = range.first; l < range.end; ++l)
    if (trains_block(rule, l, layers)) return true;
  return false;
}

inline std::vector<StageRole> stage_roles(const Shape& shape, const Rule& rule,
                                          const std::vector<StageRange>& ranges) {
  std::vector<StageRole> roles;
  for (const StageRange& range : ranges) {
    roles.push_back({.has_backward = has_backward(rule, range, shape.layers),
                     .updates = ParameterTable(shape, rule, range).trained_size() > 0,
                     .takes_gradient = takes_gradient(rule, range, shape.layers),
                     .takes_error = !range.has_head && is_fed_back(rule, range, shape.layers)});
  }
  return roles;
}

/// What ties the stages of a pipeline together.
inline Ties stage_ties(const Shape& shape, const Rule& rule, bool clips_globally,
                       const std::vector<StageRange>& ranges) {
  const bool is_shared = shape.tied && rule.train_projector && ranges.size() > 1;
  return {.global_norm = clips_globally && ranges.size() > 1,
          .tied_matrix = is_shared,
          .embedding_learns = is_shared && trains_embedding(rule, shape.layers)};
}

}  // namespace dfascale
