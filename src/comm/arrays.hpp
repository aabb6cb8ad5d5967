// Arrays of floats between ranks, in device memory: gradients, parameters, activations.  One
// interface, one implementation a build: arrays_mpi.cpp over MPI, nccl.cpp over NCCL where arrays
// lie on GPUs, single.cpp without MPI.
// Nothing here waits but what says so.  An operation begins once everything queued on the device
// before it was started is done, and what is queued after its Request is done comes after it.
#pragma once

#include <span>

#include "comm/comm.hpp"
#include "comm/routes.hpp"
#include "kernels/device.hpp"
#include "kernels/span.hpp"

namespace dfascale {

/// Who computes sums: where ranks share memory on a node, themselves; the library everywhere.
enum class SumsBy : std::uint8_t { ranks_of_node, library };

class ArrayComm {
 public:
  /// The ranks of a Comm, which stays what tells them of each other.  Messages go along `routes`
  /// only, the same on all ranks; collectives need none.  Collective.
  ArrayComm(const Comm& ranks, const Device& on, const std::vector<Route>& routes = {},
            SumsBy by = SumsBy::ranks_of_node);

  /// The same ranks for numbers and texts.
  const Comm& ranks() const { return ranks_; }
  int rank() const { return ranks_.rank(); }
  int size() const { return ranks_.size(); }

  /// Messages of one sender, receiver and tag arrive in order; a rank may send to itself.  A send
  /// may be done only when its receiver has it.  Throws std::logic_error where there is no route.
  Request start_send(ConstVec values, int to, int tag) const;
  Request start_receive(Vec values, int from, int tag) const;
  /// Waits until a message from this rank with this tag can be received.
  void wait_for_message(int from, int tag, const std::function<std::string()>& what) const;

  // All ranks start the same collectives in the same order; equal counts give equal sums in any
  // group of this size.  `cuts` are size() + 1 places: part r is [cuts[r], cuts[r + 1]), maybe
  // empty.

  /// Sums over the ranks, in place, on every rank.
  Request start_all_reduce_sum(Vec values) const;
  /// Sums likewise; rank r gets part r and keeps the rest as it was.
  Request start_reduce_scatter_sum(Vec values, std::span<const std::int64_t> cuts) const;
  /// Rank r contributes part r and gets the rest.
  Request start_all_gather(Vec values, std::span<const std::int64_t> cuts) const;
  /// `root`'s values to all.
  Request start_broadcast(Vec values, int root) const;

  /// See Comm::wait.
  void wait(Request& request, const std::function<std::string()>& what) const {
    ranks_.wait(request, what);
  }
  void wait(Request&& request, const std::function<std::string()>& what) const {
    ranks_.wait(request, what);
  }

 private:
  struct State;
  Comm ranks_;
  std::shared_ptr<State> state_;
};

}  // namespace dfascale
