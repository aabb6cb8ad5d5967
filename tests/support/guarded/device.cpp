// In place of kernels/device_host.cpp: see guard.hpp.
#include "kernels/device.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <optional>

#include "base/error.hpp"
#include "kernels/launch/runtime.hpp"
#include "tests/support/guarded/guard.hpp"

namespace dfascale {
namespace {

std::map<void*, std::size_t> blocks;  // of device memory, whole pages
int open = 0;

void allow(int access) {
  for (const auto& [memory, bytes] : blocks)
    if (mprotect(memory, bytes, access) != 0)
      throw Error(Exit::device, system_reason("guarded memory"));
}

void open_memory() {
  if (open++ == 0) allow(PROT_READ | PROT_WRITE);
}
void close_memory() {
  if (--open == 0) allow(PROT_NONE);
}

}  // namespace

namespace test {
Open::Open() { open_memory(); }
Open::~Open() { close_memory(); }
}  // namespace test

struct DeviceScope::State {
  launch::Runtime runtime;
};

DeviceScope::DeviceScope(int) : state_(new State{launch::Runtime(1, 0)}) {
  launch::watch_kernels({[](const char*) { open_memory(); }, [](const char*) { close_memory(); }});
}
DeviceScope::~DeviceScope() { launch::watch_kernels({}); }

Device DeviceScope::device() const { return {}; }

std::string backend_name() { return "guarded host, " + launch::runtime_name(); }

bool device_memory_is_host() { return false; }

std::int64_t device_bytes_in_use() { return 0; }

void* device_allocate(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t whole = (std::max<std::size_t>(bytes, 1) + page - 1) / page * page;
  void* memory = mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Error(Exit::device, system_reason("guarded memory"));
  blocks[memory] = whole;
  return memory;
}

void device_free(void* memory) noexcept {
  const auto found = blocks.find(memory);
  if (found == blocks.end()) return;
  munmap(memory, found->second);
  blocks.erase(found);
}

void copy_to_device(const Device&, void* to, const void* from, std::size_t bytes) {
  const test::Open open;
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void copy_to_host(const Device&, void* to, const void* from, std::size_t bytes) {
  const test::Open open;
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void fence(const Device&) { launch::wait(); }

}  // namespace dfascale
