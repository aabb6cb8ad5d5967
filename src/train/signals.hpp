// Asking a run to stop: SIGTERM, SIGUSR1 or SIGINT (SPEC section 8).  The step is finished, a
// checkpoint written, exit 75.
#pragma once

namespace dfascale {

/// Listens while it lives; the handlers found are put back afterwards.  A second SIGINT ends the
/// program at once.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Whether this rank was asked to stop since the listener was made.
  bool raised() const;
};

}  // namespace dfascale
