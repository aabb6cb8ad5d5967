// One block of device memory, planned once: everything a stage needs in its step is laid out at
// start-up, nothing is allocated later.  The same layout code runs twice: first to count, then to
// hand out addresses; --dry-run stops after counting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "kernels/device.hpp"
#include "kernels/real.hpp"

namespace dfascale {

class Arena {
 public:
  Arena() = default;
  /// Lays out within memory of another arena, whose it stays.
  explicit Arena(Vector<std::byte> part) : memory_(part.data), owns_(false) {}
  ~Arena() { clear(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  /// Gives the memory back and starts counting again.
  void clear() {
    if (owns_) device_free(memory_);
    memory_ = nullptr;
    used_ = 0;
  }

  /// Uninitialised, 64-byte aligned.  Addresses are null until commit().
  template <class T>
  Vector<T> vector(std::int64_t size) {
    return {static_cast<T*>(take(size * static_cast<std::int64_t>(sizeof(T)))), size};
  }
  Vec vec(std::int64_t size) { return vector<float>(size); }
  Mat mat(std::int64_t rows, std::int64_t cols) { return {vec(rows * cols).data, rows, cols}; }
  /// Rows are a line of memory apart, but for short ones of floats: a whole number of pages apart,
  /// columns fall into few sets of a cache, and weight gradients read by columns.  And oneDNN 2.6
  /// sends products of arrays with gaps another way, 2 to 14 % faster (docs/benchmarks.md).
  Stored stored(Precision precision, std::int64_t rows, std::int64_t cols) {
    const bool is_short = precision == Precision::f32 && cols < 512;
    const std::int64_t stride = cols + (is_short ? 0 : alignment / bytes_of(precision));
    return {take(rows * stride * bytes_of(precision)), rows, cols, stride, precision};
  }

  /// Whole pages, of `page` bytes, that begin at one wherever the arena's memory lies.
  Vector<std::byte> pages(std::int64_t bytes, std::int64_t page) {
    const std::int64_t whole = (bytes + page - 1) / page * page;
    auto* at = static_cast<std::byte*>(take(whole + page - alignment));
    const auto over = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(at)) % page;
    return {at && over > 0 ? at + page - over : at, whole};
  }

  std::int64_t bytes() const { return used_; }

  /// Ends counting: allocates what was counted; the layout code must now run again, in the same
  /// order.
  void commit() {
    memory_ = device_allocate(static_cast<std::size_t>(used_));
    used_ = 0;
  }

 private:
  static constexpr std::int64_t alignment = 64;

  void* take(std::int64_t bytes) {
    const std::int64_t at = used_;
    used_ += (bytes + alignment - 1) / alignment * alignment;
    return memory_ ? static_cast<char*>(memory_) + at : nullptr;
  }

  void* memory_ = nullptr;
  bool owns_ = true;
  std::int64_t used_ = 0;
};

/// Makes a T whose constructor lays itself out in the arena: once to count, once with addresses.
/// Throws std::logic_error where the two differ, as a layout that looks at addresses would.
template <class T, class... Args>
std::unique_ptr<T> make_in(Arena& arena, Args&&... args) {
  { const T counted(arena, args...); }
  const std::int64_t counted = arena.bytes();
  arena.commit();
  auto made = std::make_unique<T>(arena, args...);
  if (arena.bytes() != counted)
    throw std::logic_error("arena: " + std::to_string(counted) + " bytes counted, " +
                           std::to_string(arena.bytes()) + " laid out");
  return made;
}

}  // namespace dfascale
