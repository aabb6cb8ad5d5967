// Starting and stopping what kernels are launched through.  Implemented by runtime_kokkos.cpp or
// runtime_cuda.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace dfascale::launch {

/// The runtime lives as long as this does.
class Runtime {
 public:
  Runtime(int threads, int card);
  ~Runtime();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// "Kokkos 3.4.1 Serial"
std::string runtime_name();

/// Called before and after each kernel with its name.
struct KernelWatch {
  std::function<void(const char*name)> before, after;
};
/// From now on; an empty watch ends it.
void watch_kernels(KernelWatch watch);

/// Rows that hosts work on at once.
int workers();

/// Whether a launch leaves nothing behind but the kernel on its stream, so that what is queued can
/// be recorded and replayed.
bool can_be_recorded();

/// Waits for all kernels.
void wait();

}  // namespace dfascale::launch
