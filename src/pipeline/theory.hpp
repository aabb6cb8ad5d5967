// What schedules idle by formula (SPEC section 6), for stages that are equal and messages that take
// no time: printed beside what is simulated and measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace dfascale {

/// Where the signal of a backward comes from.
enum class Signal : std::uint8_t {
  chained,  ///< the stage above: backpropagation
  direct,   ///< F e: no stage waits for another's backward
};

/// A pipeline whose ranks all take the same time.
struct EqualRanks {
  Signal signal;
  std::int32_t ranks, virtual_stages, micro_batches;
  std::int32_t in_flight;         ///< of unlocked; 0: as many as ranks
  double forward, input, weight;  ///< seconds of a micro-batch on a rank, all its stages
  /// Whether every step ends for all ranks together (clip = global).
  enum class Steps : std::uint8_t { run_on, meet } steps;
  double backward() const { return input + weight; }
};

/// Seconds of a step in which a rank does nothing, when many steps follow each other.  Nothing
/// where there is no formula: too few micro-batches for the schedule's pattern (interleaved: not a
/// multiple of the ranks), or unequal times in zb-v.
std::optional<double> idle_in_theory(std::string_view schedule, const EqualRanks& ranks);

}  // namespace dfascale
