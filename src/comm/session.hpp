// Start and stop of the program: MPI first, then the device, closed in reverse order on every path
// out; and the one place where errors are caught.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "comm/comm.hpp"
#include "kernels/device.hpp"

namespace dfascale {

/// What a subcommand works with: the ranks alone, to look at decks and files, or their devices too.
enum class Uses : std::uint8_t { ranks, device };

/// Made once, by a subcommand of several ranks, and outlived by nothing that holds device memory or
/// talks to other ranks.  Works with or without an MPI launcher.
class Session {
 public:
  /// Throws Error(Exit::device) where the device is missing or its products are wrong.
  explicit Session(Uses uses = Uses::device);
  const Comm& comm() const { return comm_; }
  /// Of a session that uses devices.
  const Device& device() const { return device_; }

 private:
  CommScope comm_scope_;  // members close in reverse order
  Comm comm_;
  std::optional<DeviceScope> device_scope_;
  Device device_;
};

/// Runs the body and returns its exit code.  If it throws: says "dfascale: rank R: message" (no
/// rank where there is one only), ends all ranks, and returns or exits with the error's code.  A
/// mistake that all ranks make alike is said once.
int run_guarded(const std::function<int()>& body);

}  // namespace dfascale
