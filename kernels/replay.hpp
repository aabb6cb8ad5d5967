// Passages of a step that a GPU replays: what a passage queues is recorded once, as a CUDA graph,
// and later launched as a whole.  A step of many small kernels then costs the host a launch a
// passage. On hosts, and wherever somebody watches single kernels, a passage simply runs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "kernels/device.hpp"
#include "kernels/gemm.hpp"

namespace dfascale {

/// Names everything that decides what is queued: which kernels and products, on which arrays, with
/// which numbers by value.  A recording keeps these; what changes from step to step is in memory.
struct Passage {
  std::string_view name;  ///< a literal
  std::array<std::int64_t, 4> numbers = {};

  auto operator<=>(const Passage&) const = default;
};

class Replay {
 public:
  /// Device and products outlive it.
  Replay(const Device& on, Gemm& gemm);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  /// Queues what `work` does.  On a device with graphs it runs when a passage comes first
  /// (libraries choose algorithms and take memory then), is recorded when it comes again, and is
  /// not called after that.  It may queue kernels and products on the device's stream: not copy,
  /// wait, allocate or send.  Throws Error(Exit::device) naming the passage where CUDA refuses to
  /// record it.
  template <class Work>
  void operator()(const Passage& passage, const Work& work) {
    if (!on_.has_graphs || gemm_.is_watched()) return work();
    replay(passage, std::cref(work));
  }

  /// Arrays have moved: all passages come first again.
  void forget();

 private:
  void replay(const Passage& passage, const std::function<void()>& work);

  struct State;
  const Device& on_;
  Gemm& gemm_;
  std::unique_ptr<State> state_;
};

}  // namespace dfascale
