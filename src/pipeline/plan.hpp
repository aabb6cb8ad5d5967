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
  send_activation,  ///< to the stage above; sends do not wait
  receive_activation,
  send_gradient,  ///< the signal, to the stage below
  receive_gradient,
  send_error,  ///< F e, from the last stage to one that is fed back
  receive_error,
  reduce,        ///< sum the stage's gradients over replicas: begins what has not begun yet
  send_tied,     ///< the stage's part of the tied matrix's gradient, to the other end
  receive_tied,  ///< the other end's part, added to this one's
  share_norms,   ///< gradient norms of all stages meet: every stage waits for every other
  update,        ///< waits for the sums, then the optimiser on the stage's parameters
};

/// `stage` is the one that acts; micro_batch is -1 for what a step does once; peer is the other
/// stage of a message, else -1.
struct Action {
  Op op;
  std::int32_t stage, micro_batch, peer;
  bool operator==(const Action&) const = default;
};

/// What a rule makes a stage do (credit/roles.hpp): which messages there are follows from it.
struct StageRole {
  bool has_backward;    ///< blocks or an embedding that learn
  bool updates;         ///< holds trained parameters: has reduce and update
  bool takes_gradient;  ///< needs the signal that the stage above passes down
  bool takes_error;     ///< needs F e from the last stage, by a message
};

/// What ties stages to each other once in a step.
struct Ties {
  bool global_norm = false;       ///< clip = global: share_norms before every update
  bool tied_matrix = false;       ///< the projector trains a matrix that the first stage holds too
  bool embedding_learns = false;  ///< then the first stage has a part of its gradient as well
};

struct Plan {
  std::string schedule;
  std::int32_t micro_batches = 0;     ///< M, of each replica and step
  std::vector<std::int32_t> rank_of;  ///< by stage
  std::vector<StageRole> roles;       ///< by stage
  Ties ties;
  std::vector<std::vector<Action>> rows;  ///< by rank

  std::int32_t ranks() const { return static_cast<std::int32_t>(rows.size()); }
  std::int32_t stages() const { return static_cast<std::int32_t>(rank_of.size()); }
};

}  // namespace dfascale
