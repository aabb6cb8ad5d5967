// Start and stop of the program: MPI first, then the device, closed in reverse order on every path
// out; and the one place where errors are caught.
#pragma once

#include <functional>

#include "comm/comm.hpp"
#include "kernels/device.hpp"

namespace dfascale {

/// Made once, by a subcommand that computes, and outlived by nothing that holds device memory or
/// talks to other ranks.  Works with or without an MPI launcher.
class Session {
 public:
  Session();
  const Comm& comm() const { return comm_; }
  const Device& device() const { return device_; }

 private:
  CommScope comm_scope_;  // members close in reverse order
  Comm comm_;
  DeviceScope device_scope_{comm_.local_rank()};
  Device device_;
};

/// Runs the body and returns its exit code.  If it throws: says "dfascale: rank R: message" (no
/// rank where there is one only), ends all ranks, and returns or exits with the error's code.  A
/// mistake that all ranks make alike is said once.
int run_guarded(const std::function<int()>& body);

}  // namespace dfascale
