// The device of a host build: host memory, in huge pages where the system gives them.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/error.hpp"
#include "kernels/device.hpp"
#include "kernels/host_threads.hpp"
#include "kernels/launch/runtime.hpp"

namespace dfascale {

struct DeviceScope::State {
  launch::Runtime runtime;
};

DeviceScope::DeviceScope(int) : state_(new State{launch::Runtime(start_threads(), 0)}) {}
DeviceScope::~DeviceScope() = default;

Device DeviceScope::device() const { return {}; }

std::string backend_name() { return "host, " + launch::runtime_name(); }

bool device_memory_is_host() { return true; }

std::int64_t device_bytes_in_use() {
  std::int64_t pages_in_all = 0, pages_resident = 0;
  std::ifstream("/proc/self/statm") >> pages_in_all >> pages_resident;
  return pages_resident * sysconf(_SC_PAGESIZE);
}

void* device_allocate(std::size_t bytes) {
  constexpr std::size_t line = 64, huge_page = std::size_t{2} << 20;
  const std::size_t alignment = bytes >= huge_page ? huge_page : line;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment);
  if (memory == nullptr) {
    fail(Exit::device,
         "no memory for {} bytes ({:.1f} GiB): use more ranks, a smaller micro-batch or a smaller "
         "model, or raise the limit of memory (ulimit -v)",
         bytes, static_cast<double>(bytes) * 0x1p-30);
  }
  if (alignment == huge_page)
    madvise(memory, rounded, MADV_HUGEPAGE);  // a refusal costs speed only
  return memory;
}

void device_free(void* memory) noexcept { std::free(memory); }

void copy_to_device(const Device&, void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void copy_to_host(const Device&, void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void fence(const Device&) { launch::wait(); }

}  // namespace dfascale
