// Sums of arrays over ranks of one node, through memory that all of them see.  Open MPI 4.1 sums a
// long array over two ranks at 1.6 GB/s and to parts of it at 0.2 (docs/benchmarks.md); memory
// allows several times that.
//
// An array goes through it in chunks.  A chunk holds a piece of each rank's part; every rank
//   puts in  the other ranks' pieces of its own array,
//   adds up  its own piece over all ranks, in the order of ranks, which fixes the bits,
//   takes    the sums that the other ranks made of theirs, where everybody wants them.
// None of it waits: each of the three goes on as far as the other ranks have come, between matrix
// products and while something is waited for.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "comm/comm.hpp"
#include "kernels/span.hpp"

namespace dfascale {

class NodeSums {
 public:
  /// Who gets a part's sum.
  enum class Sum : std::uint8_t { to_all, to_owner };

  /// Collective over ranks of one node.  Where the memory cannot be had on any of them: nullptr on
  /// all, and the reason is said.
  static std::shared_ptr<NodeSums> make(MPI_Comm ranks);
  ~NodeSums();
  NodeSums(const NodeSums&) = delete;
  NodeSums& operator=(const NodeSums&) = delete;

  /// In place; cuts as in ArrayComm.  All ranks start the same sums in the same order.
  static Request start(const std::shared_ptr<NodeSums>& sums, Vec values,
                       std::span<const std::int64_t> cuts, Sum sum);

 private:
  /// One array on its way.
  struct Array {
    Vec values;
    std::vector<std::int64_t> cuts;
    Sum sum;
    std::int64_t first, end;  ///< numbers of its chunks, counted over all arrays
  };
  /// How many chunks a rank has done with, in shared memory.
  struct Marks;

  NodeSums(MPI_Comm ranks, MPI_Win window);
  void progress();
  bool put_in();
  bool add_up();
  bool take();

  std::int64_t piece_floats() const;
  const Array& array_of(std::int64_t chunk) const;
  Vec piece(const Array& array, std::int64_t chunk, int owner) const;
  float* shared_piece(int rank, std::int64_t chunk, int owner) const;

  MPI_Win window_;
  int exceptions_;
  int rank_ = 0, size_ = 1;
  std::vector<Marks*> marks_;    ///< of every rank
  std::vector<float*> buffers_;  ///< likewise
  std::deque<Array> arrays_;
  std::int64_t started_ = 0;  ///< chunks
  ProgressStep step_{[this] { progress(); }};
};

}  // namespace dfascale
