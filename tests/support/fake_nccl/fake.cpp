// Streams are queues of steps that are tried whenever a call comes; events are marks in them;
// communicators send by MPI, on the world's ranks.
#include <mpi.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "control.hpp"

using Step = std::function<bool()>;  // true once it is done

struct FakeStream {
  std::deque<Step> steps;
};

struct Mark {
  int recorded = 0, reached = 0;
};
struct FakeEvent {
  std::shared_ptr<Mark> mark = std::make_shared<Mark>();
};

struct FakeRanks {
  std::vector<int> world;  ///< the ranks' numbers in the world
  int rank, tag;
};

namespace {

std::set<FakeStream*> streams;
int open_groups = 0;

void go_on() {
  if (fake_nccl::is_stalled) return;
  for (FakeStream* stream : streams)
    while (!stream->steps.empty() && stream->steps.front()()) stream->steps.pop_front();
}

ncclResult_t queue(cudaStream_t stream, Step step) {
  stream->steps.push_back(std::move(step));
  go_on();
  return ncclSuccess;
}

int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

/// Messages that are sent when it is this step's turn; `then` follows when they are through.
struct Exchange {
  std::vector<std::function<void(MPI_Request*)>> begin;
  std::function<void()> then = [] {};
  std::vector<MPI_Request> requests = {};
  bool operator()() {
    if (requests.empty())
      for (const auto& start : begin) start(&requests.emplace_back());
    int done = 0;
    MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
    if (done != 0) then();
    return done != 0;
  }
};

auto sending(const FakeRanks* comm, const void* from, std::size_t count, int to) {
  return [=](MPI_Request* request) {
    MPI_Isend(from, static_cast<int>(count), MPI_FLOAT, comm->world[static_cast<std::size_t>(to)],
              comm->tag, MPI_COMM_WORLD, request);
  };
}

auto receiving(const FakeRanks* comm, void* to, std::size_t count, int from) {
  return [=](MPI_Request* request) {
    MPI_Irecv(to, static_cast<int>(count), MPI_FLOAT, comm->world[static_cast<std::size_t>(from)],
              comm->tag, MPI_COMM_WORLD, request);
  };
}

/// The root adds up in the order of ranks.
Step sum_to(const FakeRanks* comm, int root, const void* from, void* to, std::size_t count) {
  Exchange exchange;
  if (comm->rank != root) {
    exchange.begin.push_back(sending(comm, from, count, root));
    return exchange;
  }
  const std::size_t ranks = comm->world.size();
  auto parts = std::make_shared<std::vector<std::vector<float>>>(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    (*parts)[r].resize(count);
    if (static_cast<int>(r) != root)
      exchange.begin.push_back(receiving(comm, (*parts)[r].data(), count, static_cast<int>(r)));
  }
  exchange.then = [=] {
    std::copy_n(static_cast<const float*>(from), count,
                (*parts)[static_cast<std::size_t>(root)].data());
    auto* sums = static_cast<float*>(to);
    for (std::size_t i = 0; i < count; ++i) {
      float sum = 0;
      for (std::size_t r = 0; r < ranks; ++r) sum += (*parts)[r][i];
      sums[i] = sum;
    }
  };
  return exchange;
}

Step to_all(const FakeRanks* comm, int root, const void* from, void* to, std::size_t count) {
  Exchange exchange;
  if (comm->rank != root) {
    exchange.begin.push_back(receiving(comm, to, count, root));
    return exchange;
  }
  for (int r = 0; r < static_cast<int>(comm->world.size()); ++r)
    if (r != root) exchange.begin.push_back(sending(comm, from, count, r));
  exchange.then = [=] { std::memmove(to, from, count * sizeof(float)); };
  return exchange;
}

const float* at(const void* values, std::size_t place) {
  return static_cast<const float*>(values) + place;
}

}  // namespace

const char* cudaGetErrorString(cudaError_t) { return "a fake error"; }
const char* cudaGetErrorName(cudaError_t) { return "fakeError"; }
cudaError_t cudaGetDevice(int* card) {
  *card = world_rank();
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* address, int length, int card) {
  const std::string own = "0000:0" + std::to_string(card) + ":00.0";
  const std::string& text = fake_nccl::card.empty() ? own : fake_nccl::card;
  std::strncpy(address, text.c_str(), static_cast<std::size_t>(length) - 1);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new FakeStream;
  streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  queue(stream, [mark = event->mark, n = event->mark->recorded] { return mark->reached >= n; });
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new FakeEvent;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const int n = ++event->mark->recorded;
  const auto reach = [mark = event->mark, n] {
    mark->reached = n;
    return true;
  };
  if (stream == nullptr) reach();  // the host's kernels are done when their calls return
  else queue(stream, reach);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  go_on();
  return event->mark->reached >= event->mark->recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  queue(stream, [=] {
    std::memcpy(to, from, bytes);
    return true;
  });
  return cudaSuccess;
}

const char* ncclGetErrorString(ncclResult_t) { return "a fake failure"; }
const char* ncclGetLastError(ncclComm_t) { return fake_nccl::last_words.c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static int made = 0;
  const int name[] = {world_rank(), 100000 + 64 * made++ + world_rank()};
  std::memcpy(id->internal, name, sizeof name);
  return fake_nccl::first_answer;
}

/// Whoever made the id is rank 0: it learns where the others are, and tells them.
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  int name[2];
  std::memcpy(name, id.internal, sizeof name);
  auto* made = new FakeRanks{std::vector<int>(static_cast<std::size_t>(ranks)), rank, name[1]};
  made->world[0] = name[0];
  if ((rank == 0) != (name[0] == world_rank())) return ncclInvalidUsage;
  for (int r = 1; rank == 0 && r < ranks; ++r) {
    int from[2];
    MPI_Recv(from, 2, MPI_INT, MPI_ANY_SOURCE, name[1], MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    made->world[static_cast<std::size_t>(from[0])] = from[1];
  }
  for (int r = 1; rank == 0 && r < ranks; ++r)
    MPI_Send(made->world.data(), ranks, MPI_INT, made->world[static_cast<std::size_t>(r)], name[1],
             MPI_COMM_WORLD);
  if (rank > 0) {
    const int own[] = {rank, world_rank()};
    MPI_Send(own, 2, MPI_INT, name[0], name[1], MPI_COMM_WORLD);
    MPI_Recv(made->world.data(), ranks, MPI_INT, name[0], name[1], MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
  }
  *comm = made;
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  ++fake_nccl::destroyed;
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  ++fake_nccl::aborted;
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  *error = fake_nccl::noticed;
  return ncclSuccess;
}
ncclResult_t ncclGroupStart() {
  ++open_groups;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() { return --open_groups < 0 ? ncclInvalidUsage : ncclSuccess; }

ncclResult_t ncclReduce(const void* from, void* to, std::size_t count, ncclDataType_t, ncclRedOp_t,
                        int root, ncclComm_t comm, cudaStream_t stream) {
  return queue(stream, sum_to(comm, root, from, to, count));
}
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return queue(stream, to_all(comm, root, from, to, count));
}
ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t,
                           ncclRedOp_t, ncclComm_t comm, cudaStream_t stream) {
  queue(stream, sum_to(comm, 0, from, to, count));
  return queue(stream, to_all(comm, 0, to, to, count));
}
ncclResult_t ncclReduceScatter(const void* from, void* to, std::size_t count, ncclDataType_t,
                               ncclRedOp_t, ncclComm_t comm, cudaStream_t stream) {
  for (std::size_t r = 0; r < comm->world.size(); ++r)
    queue(stream, sum_to(comm, static_cast<int>(r), at(from, r * count), to, count));
  return ncclSuccess;
}
ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t,
                           ncclComm_t comm, cudaStream_t stream) {
  for (std::size_t r = 0; r < comm->world.size(); ++r)
    queue(stream,
          to_all(comm, static_cast<int>(r), from, static_cast<float*>(to) + r * count, count));
  return ncclSuccess;
}
ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  Exchange exchange;
  exchange.begin.push_back(sending(comm, from, count, peer));
  return queue(stream, exchange);
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  Exchange exchange;
  exchange.begin.push_back(receiving(comm, to, count, peer));
  return queue(stream, exchange);
}
