// What each rank knows of a step, on its way to rank 0 without anybody waiting: stages may be in
// different steps.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "comm/comm.hpp"

namespace dfascale {

/// One rank's part, or the sum over all ranks.
struct StepShare {
  double loss_sum = 0;         ///< of its replica's tokens, where it holds the head
  double gradient_square = 0;  ///< of the stages' gradients, counted once
  double seconds = 0;          ///< device-seconds
};

class StepReports {
 public:
  explicit StepReports(const Comm& world);

  /// This rank's part of the next step.
  void post(const StepShare& own);
  /// Sums over all ranks of the steps that have become complete, in order; on rank 0 only.
  std::vector<StepShare> complete();
  /// The same for all steps posted so far; waits.
  std::vector<StepShare> wait_for_all();

 private:
  static constexpr std::size_t numbers = 3;
  using Numbers = std::array<double, numbers>;
  struct Step {
    std::vector<Numbers> parts;  ///< by rank
    std::vector<Request> requests;
  };
  enum class Patience { waits, polls };
  std::vector<StepShare> take(Patience patience);

  Comm world_;
  std::deque<Step> steps_;  ///< not complete; on other ranks those on their way
};

}  // namespace dfascale
