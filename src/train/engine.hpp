// Executes any plan: this rank's row of it, action by action (pipeline/plan.hpp).  Nothing waits
// that the row does not make wait: steps follow each other without a barrier.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/arrays.hpp"
#include "pipeline/actions.hpp"
#include "pipeline/plan.hpp"
#include "train/stage_work.hpp"
#include "train/trace.hpp"

namespace dfascale {

class Engine {
 public:
  /// `work` by stage; null for stages of other ranks.  The pipeline's ranks are the plan's; it
  /// outlives the engine.
  Engine(const ArrayComm& pipeline, std::vector<StageWork*> work, Trace& trace);

  /// This rank's row, once.  `step` is for messages to people only.
  void run(const Plan& plan, Mode mode, std::int64_t step);
  /// Waits until all that was sent has been received.
  void finish();
  /// "step 3, stage 1: waiting for the forward of micro-batch 2 by stage 0 (rank 0)".
  std::string where() const;

 private:
  struct Slot {
    std::int64_t micro_batch = -1;  ///< -1: free
    std::vector<Request> sends;     ///< from the slot's memory, by whom it was used last
  };
  /// A stage in the run in progress.
  struct Seat {
    StageWork* work = nullptr;
    std::vector<Slot> slots;
    /// Actions of each kind that are left in the row, so that the last of its kind is known.
    std::int64_t forwards = 0, inputs = 0, weights = 0;
    std::vector<std::int32_t> uses;  ///< by micro-batch: actions left that need its slot
  };

  void count(const Plan& plan);
  void act(const Action& action);
  void compute(const Action& action);
  void send(const Action& action);
  void receive(const Action& action);
  void once(const Action& action);
  std::int64_t slot_of(const Action& action);
  std::int64_t take_slot(const Action& action);
  void leave_slot(const Action& action);
  Vec message(const Action& action, std::int64_t slot);
  int tag(const Action& action) const;
  Seat& seat(const Action& action) { return seats_[static_cast<std::size_t>(action.stage)]; }

  const ArrayComm& pipeline_;
  std::vector<Seat> seats_;
  Trace& trace_;
  const Plan* plan_ = nullptr;
  Action now_{};
  std::int64_t step_ = 0;
  Mode mode_ = Mode::learn;
};

}  // namespace dfascale
