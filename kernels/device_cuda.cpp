// The device of a GPU build: the card that belongs to the rank, by CUDA's runtime.
#include <cuda_runtime.h>

#include "base/error.hpp"
#include "kernels/device.hpp"
#include "kernels/launch/runtime.hpp"

namespace dfascale {

struct DeviceScope::State {
  launch::Runtime runtime;
};

namespace {

// Texts are put together by hand: nvcc cannot evaluate fmt's compile-time checks.
void expect(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(Exit::device, std::string("CUDA: ") + what + " failed: " +
                                cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}

/// Ranks of a node take its cards in turn.
int choose_card(int local_rank) {
  int cards = 0;
  const cudaError_t status = cudaGetDeviceCount(&cards);
  const bool is_without = status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver;
  if (!is_without) expect(status, "counting the GPUs");
  if (is_without || cards == 0)
    throw Error(Exit::device, "no GPU on this node: use a host build or ask the scheduler for one");
  const int card = local_rank % cards;
  expect(cudaSetDevice(card), "choosing a GPU");
  return card;
}

cudaStream_t stream_of(const Device& on) { return static_cast<cudaStream_t>(on.stream); }

}  // namespace

namespace launch {
void check_launch(const char* name) { expect(cudaGetLastError(), name); }
}  // namespace launch

DeviceScope::DeviceScope(int local_rank)
    : state_(new State{launch::Runtime(1, choose_card(local_rank))}) {}
DeviceScope::~DeviceScope() = default;

std::string backend_name() {
  int card = 0;
  cudaDeviceProp properties;
  expect(cudaGetDevice(&card), "asking for the GPU in use");
  expect(cudaGetDeviceProperties(&properties, card), "asking for the GPU's name");
  return std::string(properties.name) + ", " + launch::runtime_name();
}

void* device_allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes > 0 ? bytes : 1);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // not sticky: the caller may go on
    throw Error(Exit::device,
                "no device memory for " + std::to_string(bytes) + " bytes (" +
                    std::to_string(bytes >> 20) +
                    " MiB): use more ranks, a smaller micro-batch or a smaller model");
  }
  expect(status, "allocating memory");
  return memory;
}

void device_free(void* memory) { expect(cudaFree(memory), "freeing memory"); }

void copy_to_device(const Device& on, void* to, const void* from, std::size_t bytes) {
  expect(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(on)),
         "copying to the GPU");
  fence(on);
}

void copy_to_host(const Device& on, void* to, const void* from, std::size_t bytes) {
  expect(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(on)),
         "copying from the GPU");
  fence(on);
}

void fence(const Device& on) {
  expect(cudaStreamSynchronize(stream_of(on)), "waiting for the GPU");
}

}  // namespace dfascale
