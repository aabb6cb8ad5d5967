// A machine by its figures: what plans are made for without running on it (inputs/machines).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/execute.hpp"

namespace dfascale {

/// Ranks are numbered node by node.
struct Machine {
  std::string name;
  std::int64_t nodes = 1, ranks_per_node = 1;
  double peak_flops = 1;  ///< per second, of a rank
  double efficiency = 1;  ///< share of the peak that a stage's products reach
  double memory_bytes = 0;
  double memory_bandwidth = 1;  ///< bytes per second: the optimiser's limit
  /// Seconds of a block's forward, input or weight gradients beside its products, whatever their
  /// size: kernel launches.
  double overhead = 0;
  double value_bytes = 4;  ///< of an activation, signal or error in a message
  Link inside, between;    ///< of one rank: within its node, and to other nodes
  Transfer transfer = Transfer::at_receive;
  ErrorTransfer errors = ErrorTransfer::one_by_one;

  std::int64_t ranks() const { return nodes * ranks_per_node; }
  std::int64_t node_of(std::int64_t rank) const { return rank / ranks_per_node; }
  double flops_per_second() const { return peak_flops * efficiency; }
};

/// Reads a TOML file; `overrides` are "key=value" or "section.key=value" and win over it.  Throws
/// Error(Exit::usage) that lists every mistake with file and line.
Machine read_machine(const std::string& file, const std::vector<std::string>& overrides);

/// Seconds in which ranks first .. first + n - 1 scatter the sum of `bytes` in a ring, or gather
/// its shares: half of an all-reduce.  Ranks that share a node use its ports to other nodes
/// together.
double ring_seconds(const Machine& machine, std::int64_t first, std::int64_t n, double bytes);

}  // namespace dfascale
