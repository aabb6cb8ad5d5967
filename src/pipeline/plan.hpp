// A schedule as data: what each rank of one pipeline does in one step, in order (SPEC section 6).
// Generators make it, rehearse() proves it, simulate() times it, one engine executes it.
//
// A *stage* is a contiguous range of blocks (the first also the embedding, the last also the head);
// stages are counted along the model's depth, 0 .. S-1.  A *rank* holds one stage, or several with
// virtual stages.  The head learns within the last stage's forward: its loss, its own gradients and
// the error e exist when that forward is done.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dfascale {

enum class Op : std::uint8_t {
  forward,          ///< the stage's blocks; the last stage also the head's loss, error, gradients
  backward,         ///< every gradient of the stage, and the signal for the stage below
  backward_input,   ///< only the signal for the stage below
  backward_weight,  ///< the gradients, after backward_input of the same micro-batch
  send_activation,  ///< to the stage above
  receive_activation,
  send_gradient,  ///< the signal, to the stage below
  receive_gradient,
  send_error,  ///< F e, from the last stage to one that is fed back
  receive_error,
  reduce,  ///< sum the stage's gradients over replicas
  update,  ///< the optimiser, on the stage's parameters
};

/// `stage` is the one that acts; micro_batch is -1 for reduce and update; peer is the other stage
/// of a message, else -1.
struct Action {
  Op op;
  std::int32_t stage, micro_batch, peer;
  bool operator==(const Action&) const = default;
};

/// What a rule makes a stage do (credit/roles.hpp): which messages there are follows from it.
struct StageRole {
  bool learns;          ///< has backward, reduce and update
  bool takes_gradient;  ///< needs the signal that the stage above passes down
  bool takes_error;     ///< needs F e from the last stage, by a message
  /// The head alone: nothing is left for a backward; the signal for the stage below exists after
  /// the forward.
  bool learns_in_forward = false;
};

struct Plan {
  std::string schedule;
  std::int32_t micro_batches;             ///< M, of each replica and step
  std::vector<std::int32_t> rank_of;      ///< by stage
  std::vector<StageRole> roles;           ///< by stage
  std::vector<std::vector<Action>> rows;  ///< by rank

  std::int32_t ranks() const { return static_cast<std::int32_t>(rows.size()); }
  std::int32_t stages() const { return static_cast<std::int32_t>(rank_of.size()); }
};

}  // namespace dfascale
