// The store of a build for GPUs: pinned memory of the host, filled and read over a stream of its
// own beside the device's.  Nothing here makes the host wait: streams wait for each other's events.
#include "kernels/activation_store.hpp"

#include <array>

#include "kernels/cuda/calls.hpp"

namespace dfascale {
namespace {

/// Assumed until a GPU is at hand to measure: PCIe 4 of 16 lanes, and products at half of an A100's
/// peak in bf16.
constexpr double bytes_a_second = 20e9, flops_a_second = 150e12;

/// Transfers that may be told apart; waiting for an older one waits for a later one.
constexpr std::int64_t events_kept = 16;

void expect_host(const std::string& where) {
  if (where == "host") return;
  fail(Exit::usage,
       "run.offload = \"{}\": on GPUs activations go to \"host\", its pinned memory, or, with an "
       "empty key, nowhere",
       where);
}

}  // namespace

struct ActivationStore::State {
  State(const Device& on, std::int64_t bytes) : compute(static_cast<cudaStream_t>(on.stream)) {
    const cudaError_t status = cudaMallocHost(&memory, static_cast<std::size_t>(bytes));
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // not sticky
      fail(Exit::device,
           "run.offload: no pinned memory on the host for {:.1f} MB of activations: set run.memory "
           "higher, or use fewer ranks on the node",
           static_cast<double>(bytes) / 1e6);
    }
    expect_cuda(status, "allocating pinned memory");
    try {
      CUDA_CHECKED(cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking));
      CUDA_CHECKED(cudaEventCreateWithFlags(&queued, cudaEventDisableTiming));
      for (cudaEvent_t& event : done)
        CUDA_CHECKED(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    } catch (...) {
      release();
      throw;
    }
  }
  ~State() { release(); }

  /// What failed before is told by copies and waits, not on the way out.
  void release() noexcept {
    if (copies != nullptr) cudaStreamSynchronize(copies);
    for (cudaEvent_t event : done)
      if (event != nullptr) cudaEventDestroy(event);
    if (queued != nullptr) cudaEventDestroy(queued);
    if (copies != nullptr) cudaStreamDestroy(copies);
    cudaFreeHost(memory);
  }

  cudaEvent_t event_of(std::int64_t transfer) const {
    return done[static_cast<std::size_t>(transfer % events_kept)];
  }

  std::int64_t begin(void* to, const void* from, std::int64_t bytes, cudaMemcpyKind kind) {
    CUDA_CHECKED(cudaEventRecord(queued, compute));
    CUDA_CHECKED(cudaStreamWaitEvent(copies, queued, 0));
    CUDA_CHECKED(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, copies));
    CUDA_CHECKED(cudaEventRecord(event_of(++begun), copies));
    return begun;
  }

  char* at(std::int64_t place) const { return static_cast<char*>(memory) + place; }

  cudaStream_t compute, copies = nullptr;
  cudaEvent_t queued = nullptr;
  std::array<cudaEvent_t, events_kept> done{};
  void* memory = nullptr;
  std::int64_t begun = 0;
};

ActivationStore::ActivationStore(const Device& on, const std::string& where, std::int64_t bytes) {
  expect_host(where);
  state_ = std::make_unique<State>(on, bytes);
}
ActivationStore::~ActivationStore() = default;

std::int64_t ActivationStore::begin_save(std::int64_t place, Vector<const std::byte> from) {
  return state_->begin(state_->at(place), from.data, from.size, cudaMemcpyDeviceToHost);
}

std::int64_t ActivationStore::begin_fetch(std::int64_t place, Vector<std::byte> to) {
  return state_->begin(to.data, state_->at(place), to.size, cudaMemcpyHostToDevice);
}

void ActivationStore::wait(std::int64_t transfer) {
  if (transfer > 0)
    CUDA_CHECKED(cudaStreamWaitEvent(state_->compute, state_->event_of(transfer), 0));
}

std::string ActivationStore::note() const { return ""; }

double device_flops_assumed() { return flops_a_second; }

StoreSpeed speed_of_store(const Device&, const std::string& where, std::int64_t) {
  expect_host(where);
  return {bytes_a_second, bytes_a_second, flops_a_second};
}

}  // namespace dfascale
