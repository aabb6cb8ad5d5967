// Where a rank's time goes while it executes its row of a plan: sums for the end-of-run table, and,
// when asked for, every action for a picture (Chrome's trace format, a row per rank).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comm/comm.hpp"

namespace dfascale {

enum class Spent : std::uint8_t {
  forward,
  backward,
  update,
  communication,  ///< waiting for a message under way, or for a sum over replicas
  idle,           ///< waiting for a message that has not been sent yet
};
inline constexpr std::array<std::string_view, 5> spent_names = {"forward", "backward", "update",
                                                                "communication", "idle"};

class Trace {
 public:
  /// Keeps every action of the first `steps` steps; 0: sums only.
  explicit Trace(std::int64_t steps = 0) : kept_steps_(steps) {}

  /// What is added between the two counts: validation and probes run actions too, and are timed as
  /// a whole by whoever takes them.
  void begin_step() { is_in_step_ = true; }
  void end_step() {
    is_in_step_ = false;
    ++steps_;
  }
  void add(Spent spent, std::string_view what, std::int32_t stage, std::int32_t micro_batch,
           double start, double end);

  /// Seconds of all steps, by Spent.
  const std::array<double, spent_names.size()>& seconds() const { return seconds_; }
  /// Collective: rank 0 writes what all ranks kept.
  void write(const Comm& world, const std::string& path) const;

 private:
  struct Event {
    Spent spent;
    std::string_view what;
    std::int32_t stage, micro_batch;
    double start, end;
  };
  std::int64_t kept_steps_, steps_ = 0;
  bool is_in_step_ = false;
  std::array<double, spent_names.size()> seconds_{};
  std::vector<Event> events_;
};

}  // namespace dfascale
