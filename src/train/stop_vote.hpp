// All ranks stop after the same step, whichever of them was asked to.
#pragma once

#include <cstdint>
#include <deque>

#include "base/error.hpp"
#include "comm/comm.hpp"

namespace dfascale {

/// Collective: whether a stop signal has come to any rank (base/stop_signals.hpp).
bool any_rank_is_asked_to_stop(const Comm& world);
/// For a run that was asked to stop while it started: says that nothing was done.
Exit stop_before_the_first_step();

class StopVote {
 public:
  /// The vote of a step decides so many steps later: with 0 every rank waits for every other at the
  /// end of a step, with 1 a pipeline's stages may be in different steps.
  StopVote(const Comm& world, std::size_t steps_later);

  /// Collective, after each step.  Whether to stop now.
  bool says_stop(bool asked_on_this_rank);
  /// Collective, after the last step: waits for votes under way.
  void finish();

 private:
  struct Vote {
    std::int64_t asked = 0;
    Request request;
  };
  bool result_of_oldest();

  Comm world_;
  std::size_t steps_later_;
  std::deque<Vote> votes_;
};

}  // namespace dfascale
