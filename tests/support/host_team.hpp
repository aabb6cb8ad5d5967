// A block of a GPU's threads on a host, one after the other: runs texts of kernels/cuda/team.hpp.
#pragma once

#include <vector>

namespace dfascale::test {

/// In which order threads take a phase.  Where a phase reads what another thread writes in it,
/// results depend on it.
enum class Order { up, down };

template <class Mine>
class HostTeam {
 public:
  HostTeam(int threads, Order order) : mine_(static_cast<std::size_t>(threads)), order_(order) {}

  template <class Phase>
  void operator()(const Phase& phase) {
    const int threads = static_cast<int>(mine_.size());
    for (int i = 0; i < threads; ++i) {
      const int thread = order_ == Order::up ? i : threads - 1 - i;
      phase(thread, mine_[static_cast<std::size_t>(thread)]);
    }
  }

 private:
  std::vector<Mine> mine_;
  Order order_;
};

}  // namespace dfascale::test
