// Work shared by threads, taken in the order it was handed out: results do not depend on the number
// of threads, and only a few pieces are in memory at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.hpp"

namespace dfascale {

/// Calls take(result) on the calling thread, in order, for result = work(thread, item) of every
/// item that next() gives; next() is called by one thread at a time.  The first exception, in the
/// order of the items, ends everything and is thrown again.
template <class Item, class Result>
class InOrder {
 public:
  template <class Next, class Work, class Take>
  static void run(int threads, const Next& next, const Work& work, const Take& take) {
    InOrder state(threads);
    std::vector<std::jthread> pool;  // joined before `state` goes
    const Stop stop{state};
    for (int t = 0; t < threads; ++t) start(pool, threads, [&, t] { state.serve(t, next, work); });
    while (std::optional<Result> result = state.take_next()) take(*result);
  }

 private:
  struct Slot {
    std::optional<Result> result;  ///< none: the items have come to an end
    std::exception_ptr problem;
  };

  template <class Body>
  static void start(std::vector<std::jthread>& pool, int threads, const Body& body) {
    try {
      pool.emplace_back(body);
    } catch (const std::system_error& error) {
      fail(Exit::device,
           "only {} of {} threads can be started ({}): give fewer --threads, or raise the limit of "
           "memory (ulimit -v) or of processes (ulimit -u, pids.max of the job's cgroup)",
           pool.size(), threads, error.code().message());
    }
  }

  explicit InOrder(int threads) : window_(2 * threads + 2) {}

  template <class Next, class Work>
  void serve(int thread, const Next& next, const Work& work) {
    for (;;) {
      std::unique_lock lock(source_);
      const std::int64_t number = wait_for_room();
      if (number < 0) return;
      Slot slot;
      std::optional<Item> item;
      try {
        item = next();
      } catch (...) {
        slot.problem = std::current_exception();
      }
      handed_out_ = number + 1;
      lock.unlock();
      const bool is_last = !item;
      try {
        if (item) slot.result = work(thread, std::move(*item));
      } catch (...) {
        slot.problem = std::current_exception();
      }
      put(number, std::move(slot), is_last);
    }
  }

  /// The number of the next item, or -1 when no more are wanted.
  std::int64_t wait_for_room() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stop_ || ended_ || handed_out_ - taken_ < window_; });
    return stop_ || ended_ ? -1 : handed_out_.load();
  }

  void put(std::int64_t number, Slot slot, bool is_last) {
    const std::lock_guard lock(mutex_);
    done_.emplace(number, std::move(slot));
    ended_ = ended_ || is_last;
    changed_.notify_all();
  }

  std::optional<Result> take_next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_.contains(taken_); });
    Slot slot = std::move(done_.extract(taken_++).mapped());
    changed_.notify_all();
    if (slot.problem) std::rethrow_exception(slot.problem);
    return std::move(slot.result);
  }

  /// Lets the threads end, on every way out.
  struct Stop {
    InOrder& state;
    ~Stop() {
      const std::lock_guard lock(state.mutex_);
      state.stop_ = true;
      state.changed_.notify_all();
    }
  };

  std::mutex source_;  ///< held while next() runs
  std::mutex mutex_;   ///< of everything below
  std::condition_variable changed_;
  std::map<std::int64_t, Slot> done_;
  std::int64_t taken_ = 0;
  std::atomic<std::int64_t> handed_out_ = 0;
  const std::int64_t window_;
  bool ended_ = false, stop_ = false;
};

}  // namespace dfascale
