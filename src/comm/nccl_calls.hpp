// What ArrayComm over NCCL is made of: checked calls, and lanes, on which operations follow each
// other.  AMD's RCCL has the same interface: its header and library in place of NCCL's, HIP's names
// in place of CUDA's, and these two files serve AMD GPUs.
#pragma once

#include <nccl.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "kernels/cuda/calls.hpp"

namespace dfascale {

/// "ncclSend(...) failed: unhandled system error (its last words); ...", with what to do.
std::string nccl_failure(const std::string& call, ncclResult_t result, const char* last_words);
void expect_nccl(ncclResult_t result, const char* call, ncclComm_t comm);
#define NCCL_CHECKED(call, comm) expect_nccl((call), #call, comm)

/// NCCL wants a GPU for each rank.  `cards` names every rank's, by rank; the answer names two ranks
/// that share one, or is empty.
std::string shared_card(const std::vector<std::string>& cards);
/// Whether all parts have one size, for which NCCL has operations of its own.
bool are_even(std::span<const std::int64_t> cuts);

/// When an operation may begin, and when it is done: two marks on streams.
class Operation {
 public:
  Operation();
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  /// What is queued on `before` now comes before it.
  void begin_after(cudaStream_t before);
  /// Polls.  Not before it was issued on a lane.
  bool is_done() const;

 private:
  friend class Lane;
  cudaEvent_t begin_{}, end_{};
  bool is_issued_ = false;
};

/// A communicator with a stream of its own.  Ranks issue the same operations in the same order.
class Lane {
 public:
  /// A stream alone, for copies within the rank.
  Lane();
  /// Collective over the ranks that have the same id, of which rank 0 has made it.
  Lane(const ncclUniqueId& id, int rank, int ranks);
  /// Ends what is under way if an exception passes: its other ranks may be gone.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Queues `call(communicator, stream)`, which begins when the operation may.
  template <class Call>
  void issue(Operation& operation, Call&& call) const {
    start(operation);
    call(comm_, stream_);
    end(operation);
  }
  /// Throws what NCCL has noticed since the operation was issued.
  void expect_health() const;

 private:
  void start(Operation& operation) const;
  void end(Operation& operation) const;

  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_{};
  int exceptions_;
};

/// Makes an id on this rank.
ncclUniqueId new_id();

}  // namespace dfascale
