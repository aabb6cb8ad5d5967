// The device of a GPU build: the card that belongs to the rank, by CUDA's runtime.
#include "kernels/cuda/calls.hpp"
#include "kernels/device.hpp"
#include "kernels/launch/runtime.hpp"

namespace dfascale {

namespace {

/// 0 where there is no driver, or the Toolkit's stub in its place.
int count_cards() {
  int cards = 0;
  const cudaError_t status = cudaGetDeviceCount(&cards);
  if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) return 0;
  if (status == cudaErrorStubLibrary) return 0;
  expect_cuda(status, "counting the GPUs");
  return cards;
}

/// Ranks of a node take its cards in turn: where there are fewer cards than ranks some share one,
/// which NCCL refuses by name (comm/nccl.cpp).
int choose_card(int local_rank) {
  const int cards = count_cards();
  if (cards == 0)
    fail(Exit::device, "no GPU on this node: use a host build or ask the scheduler for one");
  const int card = local_rank % cards;
  expect_cuda(cudaSetDevice(card), "choosing a GPU");
  return card;
}

/// Waits for nothing that others queue: CUDA's default stream has no part in it.
cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  expect_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  return stream;
}

cudaStream_t stream_of(const Device& on) { return static_cast<cudaStream_t>(on.stream); }

double gibibytes(std::size_t bytes) { return static_cast<double>(bytes) * 0x1p-30; }

struct Memory {
  std::size_t free = 0, all = 0;
};

Memory memory_of_card() {
  Memory memory;
  expect_cuda(cudaMemGetInfo(&memory.free, &memory.all), "asking for free memory");
  return memory;
}

}  // namespace

struct DeviceScope::State {
  explicit State(int card) : stream(new_stream()), runtime(1, card) {}
  Owned<cudaStream_t, cudaStreamDestroy> stream;  // before the runtime: Kokkos uses it to its end
  launch::Runtime runtime;
};

DeviceScope::DeviceScope(int local_rank) : state_(new State(choose_card(local_rank))) {}
DeviceScope::~DeviceScope() = default;

Device DeviceScope::device() const { return {state_->stream.get(), launch::can_be_recorded()}; }

std::string backend_name() {
  if (count_cards() == 0) return "no GPU here, " + launch::runtime_name();
  int card = 0;
  cudaDeviceProp properties;
  expect_cuda(cudaGetDevice(&card), "asking for the GPU in use");
  expect_cuda(cudaGetDeviceProperties(&properties, card), "asking for the GPU's name");
  return std::string(properties.name) + ", " + launch::runtime_name();
}

bool device_memory_is_host() { return false; }

std::int64_t device_bytes_in_use() {
  if (count_cards() == 0) return 0;
  const Memory memory = memory_of_card();
  return static_cast<std::int64_t>(memory.all - memory.free);
}

void* device_allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes > 0 ? bytes : 1);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // not sticky: the caller may go on
    const Memory card = memory_of_card();
    fail(Exit::device,
         "no GPU memory for {:.2f} GiB, {:.2f} of {:.2f} GiB are free: use more ranks, more or "
         "smaller micro-batches (parallel.micro_batches), or a smaller model; --dry-run says what "
         "takes how much",
         gibibytes(bytes), gibibytes(card.free), gibibytes(card.all));
  }
  expect_cuda(status, "allocating memory");
  return memory;
}

void device_free(void* memory) noexcept { cudaFree(memory); }

void copy_to_device(const Device& on, void* to, const void* from, std::size_t bytes) {
  expect_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(on)),
              "copying to the GPU");
  fence(on);
}

void copy_to_host(const Device& on, void* to, const void* from, std::size_t bytes) {
  expect_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(on)),
              "copying from the GPU");
  fence(on);
}

void fence(const Device& on) {
  expect_cuda(cudaStreamSynchronize(stream_of(on)), "waiting for the GPU");
}

}  // namespace dfascale
