// Messages between ranks.  mpi.cpp implements this over MPI, single.cpp for a build without MPI.
// Every call is collective unless it says otherwise; failures throw Error(Exit::device) with the
// library's message.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dfascale {

/// All ranks of the program.
class Comm {
 public:
  Comm();
  int rank() const { return rank_; }
  int size() const { return size_; }
  /// This rank's number among those on the same node.
  int local_rank() const { return local_rank_; }

  /// Sums in place over all ranks, in buckets; the same call on the same layout gives the same
  /// bits, on every rank.  Host memory.
  void all_reduce_sum(float* values, std::int64_t count) const;
  void all_reduce_sum(double* values, std::int64_t count) const;
  double sum(double value) const;
  std::int64_t sum(std::int64_t value) const;
  double max(double value) const;
  std::int64_t max(std::int64_t value) const;
  double min(double value) const;
  std::int64_t min(std::int64_t value) const;

  /// Rank 0's bytes, or text of any length, to all.
  void broadcast(void* bytes, std::int64_t count) const;
  void broadcast(std::string& text) const;
  /// Every rank's text, in rank order, on rank 0; empty elsewhere.
  std::vector<std::string> gather(const std::string& text) const;
  void barrier() const;

 private:
  int rank_ = 0, size_ = 1, local_rank_ = 0;
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
