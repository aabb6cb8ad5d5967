// The ranks that write or read a checkpoint together: a communicator of their own, without naming
// MPI.  Built without MPI (or started without it) this is one process and every call returns at
// once.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace dfascale {

class WriterRanks {
 public:
  /// Every rank of the program, on a duplicate of its communicator (collective): messages of a
  /// checkpoint written in the background meet no others.  One process where MPI is not running.
  static WriterRanks all();
  /// This process by itself, also under MPI.
  static WriterRanks alone();

  int rank() const;
  int size() const;
  /// Whether these calls may be made by a thread while others use MPI too.
  bool may_use_threads() const;

  /// Collective.  Every rank gives the same number of words; returns those of rank 0, of rank 1,
  /// ...
  std::vector<std::uint64_t> gather(const std::vector<std::uint64_t>& words) const;
  /// Collective.  The text of the first rank, on all.
  std::string from_first(const std::string& text) const;
  /// Collective.  An empty trouble is none.  If any rank has one, every rank throws the first one's
  /// with its exit code.
  void agree(Exit code, const std::string& trouble) const;

  struct Group;
  const Group& group() const { return *group_; }

 private:
  explicit WriterRanks(std::shared_ptr<const Group> group) : group_(std::move(group)) {}
  std::shared_ptr<const Group> group_;
};

/// Runs work on every rank; if it throws on one, all ranks throw.  The code is for errors that
/// carry none.
template <class Work>
void together(const WriterRanks& ranks, Exit code, Work&& work) {
  std::string trouble;
  try {
    work();
  } catch (const Error& error) {
    trouble = error.what();
    code = error.code();
  } catch (const std::bad_alloc&) {
    trouble = "out of host memory; raise the limit of memory (ulimit -v) or use more ranks";
    code = Exit::device;
  } catch (const std::exception& error) {
    trouble = error.what();
  }
  ranks.agree(code, trouble);
}

/// Runs work on the first rank only; if it throws there, all ranks throw.
template <class Work>
void on_first(const WriterRanks& ranks, Exit code, Work&& work) {
  together(ranks, code, [&] {
    if (ranks.rank() == 0) work();
  });
}

}  // namespace dfascale
