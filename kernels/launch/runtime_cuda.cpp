// Bare CUDA: it starts by itself at the first call.
#include <utility>

#include "kernels/cuda/calls.hpp"
#include "kernels/launch/runtime.hpp"

namespace dfascale::launch {

struct Runtime::State {};

Runtime::Runtime(int, int) {}
Runtime::~Runtime() = default;

std::string runtime_name() {
  return "bare CUDA " + std::to_string(CUDART_VERSION / 1000) + "." +
         std::to_string(CUDART_VERSION % 1000 / 10);
}

static KernelWatch watching;

void watch_kernels(KernelWatch watch) { watching = std::move(watch); }

void begin_launch(const char* name) {
  if (watching.before) watching.before(name);
}
void end_launch(const char* name) {
  expect_cuda(cudaGetLastError(), name);
  if (watching.after) watching.after(name);
}

int workers() { return 1; }

bool can_be_recorded() { return true; }

void wait() { cudaDeviceSynchronize(); }

}  // namespace dfascale::launch
