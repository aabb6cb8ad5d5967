#include "comm/nccl_calls.hpp"

#include <cstdlib>
#include <exception>
#include <map>

namespace dfascale {
namespace {

struct Cure {
  ncclResult_t result;
  const char* text;
};
constexpr Cure cures[] = {
    {ncclUnhandledCudaError, "a GPU or its driver failed: look at nvidia-smi and the system's log"},
    {ncclSystemError, "the network or shared memory failed: NCCL_DEBUG=INFO says where"},
    {ncclInternalError, "an error within NCCL: NCCL_DEBUG=INFO says more"},
    {ncclInvalidArgument, "an error in this program: please report it"},
    {ncclInvalidUsage,
     "ranks of different builds or versions of NCCL, or an error in this program"},
    {ncclRemoteError, "another rank or the network to it is gone: its own message says why"},
};

const char* cure_of(ncclResult_t result) {
  for (const Cure& cure : cures)
    if (cure.result == result) return cure.text;
  return "NCCL_DEBUG=INFO says more";
}

/// NCCL connects ranks when the first operation of a kind is called, and the caller waits until all
/// have called it.  Here others may wait meanwhile for what the caller has still to send: connect
/// when communicators are made.  A user's own choice stands.
void connect_at_start() { setenv("NCCL_RUNTIME_CONNECT", "0", 0); }

}  // namespace

std::string nccl_failure(const std::string& call, ncclResult_t result, const char* last_words) {
  const std::string words = last_words != nullptr ? last_words : "";
  return fmt::format("NCCL: {} failed: {}{}; {}", call.substr(0, call.find('(')),
                     ncclGetErrorString(result), words.empty() ? "" : " (" + words + ")",
                     cure_of(result));
}

void expect_nccl(ncclResult_t result, const char* call, ncclComm_t comm) {
  if (result == ncclSuccess) return;
  throw Error(Exit::device, nccl_failure(call, result, ncclGetLastError(comm)));
}

std::string shared_card(const std::vector<std::string>& cards) {
  std::map<std::string, std::size_t> owners;
  for (std::size_t rank = 0; rank < cards.size(); ++rank) {
    const auto [owner, is_first] = owners.emplace(cards[rank], rank);
    if (is_first) continue;
    return fmt::format(
        "ranks {} and {} share {}: NCCL wants a GPU for each rank; start as many ranks on a node "
        "as it has GPUs",
        owner->second, rank, cards[rank]);
  }
  return "";
}

bool are_even(std::span<const std::int64_t> cuts) {
  for (std::size_t r = 1; r + 1 < cuts.size(); ++r)
    if (cuts[r + 1] - cuts[r] != cuts[1] - cuts[0]) return false;
  return true;
}

Operation::Operation() {
  CUDA_CHECKED(cudaEventCreateWithFlags(&begin_, cudaEventDisableTiming));
  CUDA_CHECKED(cudaEventCreateWithFlags(&end_, cudaEventDisableTiming));
}

Operation::~Operation() {
  cudaEventDestroy(begin_);
  cudaEventDestroy(end_);
}

void Operation::begin_after(cudaStream_t before) {
  is_issued_ = false;
  CUDA_CHECKED(cudaEventRecord(begin_, before));
}

bool Operation::is_done() const {
  if (!is_issued_) return false;
  const cudaError_t status = cudaEventQuery(end_);
  if (status == cudaErrorNotReady) return false;
  expect_cuda(status, "an operation between GPUs");
  return true;
}

Lane::Lane() : exceptions_(std::uncaught_exceptions()) {
  CUDA_CHECKED(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
}

Lane::Lane(const ncclUniqueId& id, int rank, int ranks) : Lane() {
  connect_at_start();
  NCCL_CHECKED(ncclCommInitRank(&comm_, ranks, id, rank), nullptr);
}

Lane::~Lane() {
  const bool is_failing = std::uncaught_exceptions() > exceptions_;
  if (comm_ != nullptr && is_failing) ncclCommAbort(comm_);
  if (comm_ != nullptr && !is_failing) ncclCommDestroy(comm_);
  cudaStreamDestroy(stream_);
}

void Lane::start(Operation& operation) const {
  CUDA_CHECKED(cudaStreamWaitEvent(stream_, operation.begin_, 0));
}

void Lane::end(Operation& operation) const {
  CUDA_CHECKED(cudaEventRecord(operation.end_, stream_));
  operation.is_issued_ = true;
}

void Lane::expect_health() const {
  if (comm_ == nullptr) return;
  ncclResult_t noticed = ncclSuccess;
  NCCL_CHECKED(ncclCommGetAsyncError(comm_, &noticed), comm_);
  expect_nccl(noticed, "an operation between GPUs", comm_);
}

ncclUniqueId new_id() {
  connect_at_start();
  ncclUniqueId id;
  NCCL_CHECKED(ncclGetUniqueId(&id), nullptr);
  return id;
}

}  // namespace dfascale
