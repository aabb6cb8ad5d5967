// A hidden folder inside the output folder, where files are written until all are complete; moving
// them out is then a matter of renames.  What is left of a failed or stopped
// run goes away.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/stop_signals.hpp"
#include "data/prepare.hpp"

namespace dfascale {

/// Whether a prepare was killed while it moved its files into this folder, which holds some of
/// them.
bool is_half_published(const std::string& folder);

class Staging {
 public:
  /// Makes `out` and the hidden folder.  Throws Error(Exit::data) if it cannot, if `out` holds a
  /// prepared corpus that may not be replaced, or if another prepare is writing there.
  Staging(const std::string& out, Existing existing);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  const std::string& folder() const { return staging_; }
  /// Removes the corpus that was there and moves the new files in, corpus.json last.
  void publish();

 private:
  void remove();

  std::string out_, staging_;
  bool made_out_ = false;
  int lock_ = -1;
  std::mutex publishing_;  ///< a stop waits until all files are in place
  std::optional<CleanUpOnStop> clean_up_;
};

}  // namespace dfascale
