// ArrayComm over MPI: device memory is host memory.  Defines nothing else, so that a program over
// NCCL leaves this file out.
#include "comm/arrays.hpp"
#include "comm/mpi_calls.hpp"
#include "comm/node_sums.hpp"

namespace dfascale {
namespace {

constexpr std::int64_t float_bytes = sizeof(float);

/// Parts as MPI names them; it looks at them until the operation is done.
struct Parts {
  std::vector<int> counts, starts;
};

std::shared_ptr<const Parts> parts_of(std::span<const std::int64_t> cuts) {
  auto parts = std::make_shared<Parts>();
  for (std::size_t r = 0; r + 1 < cuts.size(); ++r) {
    parts->starts.push_back(count_of(cuts[r]));
    parts->counts.push_back(count_of(cuts[r + 1] - cuts[r]));
  }
  return parts;
}

/// One part for each rank, which begin with a cache line.
std::vector<std::int64_t> even_cuts(std::int64_t size, int ranks) {
  constexpr std::int64_t line_floats = 16;
  std::vector<std::int64_t> cuts;
  for (int r = 0; r < ranks; ++r) cuts.push_back(size * r / ranks / line_floats * line_floats);
  cuts.push_back(size);
  return cuts;
}

}  // namespace

struct ArrayComm::State {
  const Device& on;
  Routes routes;
  MPI_Comm comm;
  std::shared_ptr<NodeSums> sums;  ///< none: MPI's
};

ArrayComm::ArrayComm(const Comm& ranks, const Device& on, const std::vector<Route>& routes,
                     SumsBy by)
    : ranks_(ranks),
      state_(std::make_shared<State>(State{on, Routes(routes), ranks.group_->comm, nullptr})) {
  if (by == SumsBy::ranks_of_node && size() > 1 && ranks.is_on_one_node())
    state_->sums = NodeSums::make(state_->comm);
}

Request ArrayComm::start_send(ConstVec values, int to, int tag) const {
  state_->routes.place({rank(), to});
  fence(state_->on);
  return ranks_.start_send(values.data, values.size * float_bytes, to, tag);
}

Request ArrayComm::start_receive(Vec values, int from, int tag) const {
  state_->routes.place({from, rank()});
  fence(state_->on);
  return ranks_.start_receive(values.data, values.size * float_bytes, from, tag);
}

void ArrayComm::wait_for_message(int from, int tag,
                                 const std::function<std::string()>& what) const {
  ranks_.wait_for_message(from, tag, what);
}

Request ArrayComm::start_all_reduce_sum(Vec values) const {
  fence(state_->on);
  if (state_->sums)
    return NodeSums::start(state_->sums, values, even_cuts(values.size, size()),
                           NodeSums::Sum::to_all);
  MPI_Request request;
  MPI_CHECKED(MPI_Iallreduce(MPI_IN_PLACE, values.data, count_of(values.size), MPI_FLOAT, MPI_SUM,
                             state_->comm, &request));
  return following(request);
}

/// By MPI a sum for each part, to its owner: with Open MPI 4.1 twice as fast on four ranks as
/// MPI_Ireduce_scatter, and a part's bits do not depend on the others.
Request ArrayComm::start_reduce_scatter_sum(Vec values, std::span<const std::int64_t> cuts) const {
  fence(state_->on);
  if (state_->sums) return NodeSums::start(state_->sums, values, cuts, NodeSums::Sum::to_owner);
  std::vector<MPI_Request> requests;
  for (std::size_t r = 0; r + 1 < cuts.size(); ++r) {
    const int owner = static_cast<int>(r), count = count_of(cuts[r + 1] - cuts[r]);
    if (count == 0) continue;
    float* part = values.data + cuts[r];
    requests.emplace_back();
    MPI_CHECKED(MPI_Ireduce(owner == rank() ? MPI_IN_PLACE : part, part, count, MPI_FLOAT, MPI_SUM,
                            owner, state_->comm, &requests.back()));
  }
  return Request([requests]() mutable {
    int are_done = 0;
    MPI_CHECKED(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &are_done,
                            MPI_STATUSES_IGNORE));
    return are_done != 0;
  });
}

Request ArrayComm::start_all_gather(Vec values, std::span<const std::int64_t> cuts) const {
  fence(state_->on);
  const auto parts = parts_of(cuts);
  MPI_Request request;
  MPI_CHECKED(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values.data, parts->counts.data(),
                              parts->starts.data(), MPI_FLOAT, state_->comm, &request));
  return Request([parts, request]() mutable { return is_done(request); });
}

Request ArrayComm::start_broadcast(Vec values, int root) const {
  fence(state_->on);
  MPI_Request request;
  MPI_CHECKED(
      MPI_Ibcast(values.data, count_of(values.size), MPI_FLOAT, root, state_->comm, &request));
  return following(request);
}

}  // namespace dfascale
