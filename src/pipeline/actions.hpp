// What actions are: computing, a message's two ends, or what a step does once.  Generators,
// checker, simulator and pictures all ask here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/plan.hpp"

namespace dfascale {

/// What a message carries.
enum class Cargo : std::uint8_t { activation, gradient, error, tied };
inline constexpr std::size_t cargo_kinds = 4;

/// What an action is to a schedule.
enum class ActionKind : std::uint8_t { compute, send, receive, once };

struct OpFacts {
  std::string_view name;        ///< "receive activation"
  std::string_view short_name;  ///< "<a"
  ActionKind kind;
  Cargo cargo;  ///< of messages only
};

/// Throws std::logic_error for a value that is no Op.
const OpFacts& facts_of(Op op);

inline bool is_send(Op op) { return facts_of(op).kind == ActionKind::send; }
inline bool is_receive(Op op) { return facts_of(op).kind == ActionKind::receive; }
inline bool is_message(Op op) { return is_send(op) || is_receive(op); }
/// Forward, and backward or its halves.
inline bool is_compute(Op op) { return facts_of(op).kind == ActionKind::compute; }
inline bool is_backward(Op op) { return is_compute(op) && op != Op::forward; }

/// The other end of a message: the receive of a send, the send of a receive.
Action partner_of(const Action& message);

/// "F3" forward of micro-batch 3, "B" backward, "I" and "W" its halves, "R" reduce, "N"
/// share_norms, "U" update; ">a3" sends, "<a3" receives an activation, "g" a gradient, "e" an
/// error, "t" a tied matrix.
std::string short_name(const Action& action);

}  // namespace dfascale
