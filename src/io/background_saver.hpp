// Checkpoints that are written while training goes on: from a copy of the arrays, by a thread on
// every rank, over the checkpoint folder's own communicator.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "io/available_memory.hpp"
#include "io/checkpoint.hpp"

namespace dfascale {

/// A save that has ended well.
struct Saved {
  std::string path;
  std::int64_t step = 0;
  SaveTimes times;
  double total_seconds = 0;  ///< from the call to the renamed file
  double stall_seconds = 0;  ///< of these the caller waited: for the copy, or for everything
};

/// "PATH: 692.5 MB written in 0.91 s (761 MB/s), checked in 1.20 s; training waited for 0.09 s"
std::string describe(const Saved& saved);

class BackgroundSaver {
 public:
  /// The folder is this object's own while a save is under way; HDF5 must not be used either.
  /// `free_memory` in bytes on this node is asked at the first save.
  explicit BackgroundSaver(
      CheckpointFolder& folder,
      std::function<std::int64_t()> free_memory = [] { return available_memory(); })
      : folder_(folder), free_memory_(std::move(free_memory)) {}
  /// Waits for the save under way; its error is lost.
  ~BackgroundSaver();
  BackgroundSaver(const BackgroundSaver&) = delete;
  BackgroundSaver& operator=(const BackgroundSaver&) = delete;

  /// Collective.  Waits for the save before, copies the arrays, starts to write, and returns.
  /// Returns only when all is written if the MPI library does not allow threads, or if some node
  /// has no memory for the copy (said once, in a warning).
  void save(const CheckpointMeta& meta, const std::vector<ArraySlice>& arrays);
  /// The same without a copy, returning when all is written: for the last one.
  void save_now(const CheckpointMeta& meta, const std::vector<ArraySlice>& arrays);

  /// Not collective, cheap, for every step: the saves that have ended well since the last question.
  /// Throws what a save threw, which all ranks do sooner or later.
  std::vector<Saved> ended();
  /// Waits for the save under way, then ended().
  std::vector<Saved> wait();

 private:
  /// Memory for the copy; kept from one save to the next.
  class Copy {
   public:
    Copy() = default;
    ~Copy();
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;
    /// The slices with their values here.
    std::vector<ArraySlice> take(std::vector<ArraySlice> arrays, int threads);

   private:
    float* values_ = nullptr;
    std::int64_t bytes_ = 0;
  };
  enum class Way { undecided, background, foreground };

  void settle();
  void write(const CheckpointMeta& meta, const std::vector<ArraySlice>& arrays, double begun,
             std::optional<double> stall);
  void decide(const std::vector<ArraySlice>& arrays);

  CheckpointFolder& folder_;
  std::function<std::int64_t()> free_memory_;
  Way way_ = Way::undecided;
  int copying_threads_ = 1;
  Copy copy_;
  std::thread thread_;
  std::atomic<bool> is_writing_{false};
  // Written by the thread before is_writing_ falls, read by others after.
  std::vector<Saved> saved_;
  std::exception_ptr error_;
};

}  // namespace dfascale
