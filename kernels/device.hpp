// The device a rank computes on: memory, copies, and the stream that kernels and products are
// queued on. On a host build memory is host memory and the stream is unused; nothing here knows
// Kokkos.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "kernels/span.hpp"

namespace dfascale {

/// Handed to every kernel as its first argument.
struct Device {
  void* stream = nullptr;   ///< cudaStream_t on a GPU build
  bool has_graphs = false;  ///< what is queued on the stream can be recorded (kernels/replay.hpp)
};
inline Device without_graphs(const Device& device) { return {device.stream, false}; }

/// Starts what kernels need, on this rank's card or threads, and stops it.  Made after MPI is
/// started, destroyed before MPI ends; all device memory is freed before.  Kernels and products run
/// only while it lives. On hosts a rank computes with one thread unless OMP_NUM_THREADS says
/// otherwise.
class DeviceScope {
 public:
  /// `local_rank` counts the ranks of one node: it chooses the card.
  explicit DeviceScope(int local_rank = 0);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

  /// On a GPU build with a stream of its own, since CUDA's default stream cannot be recorded; good
  /// while the scope lives.
  Device device() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// "host, Kokkos 3.4.1 Serial", "NVIDIA H100, bare CUDA 13.0": what kernels run on.  Works without
/// a DeviceScope, and where there is no GPU.
std::string backend_name();

/// Whether device memory is ordinary host memory, so that files can be written from it without a
/// copy.
bool device_memory_is_host();
/// What is taken of the device's memory before anything is allocated: on hosts by this process
/// (code, libraries, MPI's buffers), on a GPU by all that use it (CUDA's own part among it).
std::int64_t device_bytes_in_use();

/// Uninitialised device memory, 64-byte aligned.  Throws Error(Exit::device) with the size when
/// there is none.
void* device_allocate(std::size_t bytes);
/// Never throws: what failed on the device before is told by copies and fences.
void device_free(void* memory) noexcept;

/// Blocking copies; the only way data crosses between host and device.
void copy_to_device(const Device& on, void* to, const void* from, std::size_t bytes);
void copy_to_host(const Device& on, void* to, const void* from, std::size_t bytes);
/// Waits until everything queued on the device's stream is done.
void fence(const Device& on);

}  // namespace dfascale
