// The tied matrix of a pipeline: first and last stage both hold it, their gradients meet by
// messages in the background, and their updates are identical (SPEC section 6).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/arrays.hpp"
#include "model/arena.hpp"
#include "model/parameters.hpp"

namespace dfascale {

class SharedMatrix {
 public:
  /// Lays out its buffers, if the stage holds a shared matrix.  Without ranks (null) that is all it
  /// can do.
  SharedMatrix(Arena& arena, const Device& on, const ArrayComm* ties, const ParameterTable& table);

  /// Floats at the beginning of the trained buffers that must be complete, and summed over
  /// replicas, before a part is sent or received.
  std::int64_t complete_floats() const { return complete_floats_; }

  using What = std::function<std::string()>;  ///< for warnings, see Comm::wait
  /// This stage's part, with a few numbers that go before it.
  void send(int to_rank, ConstVec gradients, std::vector<double> numbers, const What& what);
  /// Adds the other stage's part; returns as many numbers.
  std::vector<double> receive(int from_rank, Vec gradients, std::size_t numbers, const What& what);
  /// Waits until what was sent is received.
  void finish(const What& what);

 private:
  const Device& on_;
  const ArrayComm* ties_;
  Parameter shared_{};
  std::int64_t complete_floats_ = 0;
  Vec outbox_, inbox_;
  std::vector<double> sent_numbers_;
  std::vector<Request> sent_;
};

}  // namespace dfascale
