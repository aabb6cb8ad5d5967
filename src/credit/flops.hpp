// Exact floating-point operations of a rule (SPEC section 5): 2 per multiply-add of every matrix
// product it needs; attention counted causally; no recomputation, no padding, no embedding look-up.
#pragma once

#include "credit/rule.hpp"
#include "model/shape.hpp"
#include "model/stage_range.hpp"

namespace dfascale {

/// Per token, by what they are spent on.
struct Flops {
  double forward;          ///< linears, attention, projector
  double input_gradients;  ///< passing the signal down
  double weight_gradients;
  double feedback;  ///< F e
  double total() const { return forward + input_gradients + weight_gradients + feedback; }
};

/// Of the whole model.
Flops flops_per_token(const Shape& shape, const Rule& rule);
/// Of a stage's blocks, and its head if it has one, which learns within its forward: `of_head` is
/// that part of the sums.
struct StageFlops : Flops {
  double of_head;
};
StageFlops flops_per_token(const Shape& shape, const Rule& rule, const StageRange& range);

}  // namespace dfascale
