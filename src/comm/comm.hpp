// Messages between ranks about the run: numbers, texts, bytes in host memory (arrays: arrays.hpp).
// mpi.cpp implements this over MPI, single.cpp for a build without MPI.
// What begins with start_ does not wait: it returns a Request, and the memory it names is not to be
// touched until that is done.  Other calls are collective and wait, unless they say otherwise.
// Failures throw Error(Exit::device) with the library's message.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace dfascale {

/// Something under way.  Move-only; forgetting one that is not done leaves it to its library.
class Request {
 public:
  /// Of nothing: done.
  Request() = default;
  /// Done once `poll`, which never waits, has said so; it is not asked again.
  explicit Request(std::function<bool()> poll) : poll_(std::move(poll)) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  Request(Request&& other) noexcept : poll_(std::exchange(other.poll_, nullptr)) {}
  Request& operator=(Request&& other) noexcept {
    poll_ = std::exchange(other.poll_, nullptr);
    return *this;
  }

  /// Polls, never waits; also moves other messages on.
  bool done() {
    if (poll_ && poll_()) poll_ = nullptr;
    return !poll_;
  }

 private:
  std::function<bool()> poll_;
};

/// A group of ranks, with messages of its own.
class Comm {
 public:
  /// All ranks of the program.
  Comm();
  /// The ranks of this group that name the same colour, ordered by `key`.
  Comm split(int colour, int key) const;
  /// The same ranks, with messages of their own.
  Comm duplicate() const { return split(0, rank_); }

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// This rank's number among those of the group on the same node.
  int local_rank() const { return local_rank_; }
  /// Whether its ranks are on one node, and those of each other group that split() made with it.
  bool is_on_one_node() const { return is_on_one_node_; }

  /// Point to point; messages of one sender, receiver and tag arrive in order.  A send may be done
  /// only when its receiver has it.
  Request start_send(const void* bytes, std::int64_t count, int to, int tag) const;
  Request start_receive(void* bytes, std::int64_t count, int from, int tag) const;
  /// The greatest of all ranks' values, in place.  All ranks start the same collectives in the same
  /// order.
  Request start_all_reduce_max(std::int64_t& value) const;
  /// `root`'s bytes to all.
  Request start_broadcast(void* bytes, std::int64_t count, int root) const;

  /// Waits, and moves all messages on meanwhile.  Throws what another rank told by tell_failure.
  /// `what` is asked for a text to warn with when nothing has come for a minute.
  void wait(Request& request, const std::function<std::string()>& what) const;
  void wait(Request&& request, const std::function<std::string()>& what) const {
    wait(request, what);
  }

  /// Waits until a message from this rank with this tag can be received.
  void wait_for_message(int from, int tag, const std::function<std::string()>& what) const;

  /// Waits likewise for anything that messages bring about.
  static void wait_until(const std::function<bool()>& is_so,
                         const std::function<std::string()>& what);

  double sum(double value) const;
  std::int64_t sum(std::int64_t value) const;
  double max(double value) const;
  std::int64_t max(std::int64_t value) const;
  double min(double value) const;
  std::int64_t min(std::int64_t value) const;
  /// Element by element, in the order of ranks: the same bits for any number of elements.
  void sum_in_order(std::vector<double>& values) const;
  void max(std::vector<double>& values) const;

  /// Rank 0's bytes, or text of any length, to all.
  void broadcast(void* bytes, std::int64_t count) const;
  void broadcast(std::string& text) const;
  /// Every rank's text, in rank order, on rank 0; empty elsewhere.
  std::vector<std::string> gather(const std::string& text) const;
  void barrier() const;

 private:
  friend class ArrayComm;
  struct Group;
  explicit Comm(std::shared_ptr<const Group> group);
  void finish(Request request) const;

  std::shared_ptr<const Group> group_;
  int rank_ = 0, size_ = 1, local_rank_ = 0;
  bool is_on_one_node_ = true;
};

/// MPI for as long as this lives.  While an exception passes, it is left open: the ranks that still
/// wait for this one are ended by end_all_ranks.
class CommScope {
 public:
  CommScope();
  ~CommScope();
  CommScope(const CommScope&) = delete;
  CommScope& operator=(const CommScope&) = delete;

 private:
  int exceptions_;
};

/// Moves messages on while this rank computes, and on rank 0 throws what another rank told by
/// tell_failure.  Cheap: called between matrix products.
void progress_messages();
/// While this lives, progress_messages takes `step` too, for a library that does not move its
/// messages on by itself.
class ProgressStep {
 public:
  explicit ProgressStep(std::function<void()> step);
  ~ProgressStep();
  ProgressStep(const ProgressStep&) = delete;
  ProgressStep& operator=(const ProgressStep&) = delete;

 private:
  std::function<void()> step_;
};
/// Tells rank 0 what happened here, so that it can record it before all ranks end.  Does nothing on
/// rank 0, and never throws.
void tell_failure(const Error& error) noexcept;

/// Whether ranks of this program may be waiting for each other now.  Not collective.
bool ranks_are_joined();
/// Ends every rank with this exit code, at once.  Not collective.
[[noreturn]] void end_all_ranks(int exit_code);
/// This rank's number: from MPI, or before MPI starts from what the launcher left in the
/// environment; 0 without a launcher.  Not collective.
int own_rank();
/// "Open MPI v4.1.4", or "none".
std::string comm_library();

}  // namespace dfascale
