// Runs a plan on paper: each rank takes its row's actions in order, waiting for messages and for
// slots as the engine does, several steps without a barrier between them.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "pipeline/actions.hpp"
#include "pipeline/plan.hpp"

namespace dfascale {

/// Seconds that a stage's actions take.
struct StageTimes {
  double forward = 1, input = 1, weight = 1;  ///< a whole backward takes input + weight
  /// The sum of gradients over replicas.  It runs beside the stage's last backward; what is left of
  /// it is waited for before the update.
  double reduce = 0;
  double reduce_tail = 0;  ///< the part that begins only when the last gradient is complete
  double update = 0;
  double backward() const { return input + weight; }
};

/// Seconds, and bytes per second.
struct Link {
  double latency = 0, bandwidth = std::numeric_limits<double>::infinity();
  double seconds(double bytes) const { return bytes / bandwidth; }
};

/// When a message begins to move.
enum class Transfer : std::uint8_t {
  at_receive,  ///< when its receiver asks for it (rendezvous): it is never hidden
  at_send,     ///< when it is sent, while both ranks compute
};

/// How the error of a micro-batch leaves the last rank.
enum class ErrorTransfer : std::uint8_t {
  one_by_one,  ///< a message for each stage that takes it, one after the other
  broadcast,   ///< once; the network passes it on (only with Transfer::at_send)
};

struct Network {
  Link near, far;                     ///< within a node and between nodes
  std::vector<std::int32_t> node_of;  ///< by rank; empty: all on one node
  Transfer transfer = Transfer::at_receive;
  ErrorTransfer errors = ErrorTransfer::one_by_one;
  double norms = 0;  ///< seconds in which the norms of all stages meet

  const Link& between(std::int32_t a, std::int32_t b) const {
    return node_of.empty() ||
                   node_of[static_cast<std::size_t>(a)] == node_of[static_cast<std::size_t>(b)]
               ? near
               : far;
  }
};

/// Bytes of a message; of the tied matrix, of the whole gradient.
struct MessageBytes {
  double activation = 0, gradient = 0, error = 0, tied = 0;
  double of(Cargo cargo) const;
};

/// Slots of a stage that takes as many as it likes.
inline constexpr std::int32_t unlimited = 0;

struct ExecutionOptions {
  std::int32_t steps = 1;
  std::vector<StageTimes> times = {};  ///< by stage; empty: one unit each
  Network network = {};
  MessageBytes bytes = {};
  std::vector<std::int32_t> slots = {};  ///< by stage; empty: unlimited
  enum class Keep : std::uint8_t { totals, events } keep = Keep::totals;
};

/// Where a rank's time goes.
enum class Pastime : std::uint8_t {
  forward,
  backward,
  update,
  communication,  ///< a message on its way, or a sum over replicas: what computing does not hide
  idle,           ///< nothing has been sent yet
};
inline constexpr std::size_t pastimes = 5;

struct Execution {
  /// One rank in one step.
  struct StepTotals {
    double end = 0;  ///< of the row's last action
    double seconds[pastimes] = {};
    double of(Pastime p) const { return seconds[static_cast<std::size_t>(p)]; }
    double computed() const {
      return of(Pastime::forward) + of(Pastime::backward) + of(Pastime::update);
    }
  };
  struct Event {
    Action action;
    Pastime pastime;
    std::int32_t rank, step;
    double start, end;
  };
  std::vector<std::vector<StepTotals>> ranks;  ///< by rank and step
  std::vector<std::int32_t> slots;             ///< by stage: how many were in use at once
  std::vector<Event> events;                   ///< if kept; by rank in order of time
  bool finished = true;
  /// Where ranks are stuck, by rank: the index in their row; -1: at the end.
  std::vector<std::int64_t> stuck_at;
};

/// The same result whatever the machine.  Expects rows whose messages have partners, within the
/// plan's stages and micro-batches (check_actions of rehearse.hpp).
Execution execute(const Plan& plan, const ExecutionOptions& options);

}  // namespace dfascale
