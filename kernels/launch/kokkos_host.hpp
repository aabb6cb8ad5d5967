// The vocabulary of kernels/launch.hpp on hosts: Kokkos (Serial, OpenMP) deals out rows and chunks,
// and loops within them are vectorised by `omp simd`.  No team overhead: a row is worked on by one
// thread.
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <string>

#define DFASCALE_KERNEL [=]

namespace dfascale {
namespace launch {

using Space = Kokkos::DefaultHostExecutionSpace;
using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;

/// Kokkos wants a std::string; up to 15 characters it is made without an allocation.
template <std::size_t N>
std::string label(const char (&name)[N]) {
  static_assert(N <= 16,
                "kernel names have at most 15 characters: longer ones are allocated at every call");
  return name;
}

/// Chunks are small enough for the first-level cache and large enough to hide the cost of a call.
inline constexpr std::int64_t chunk = 4096;
/// Partial sums are closed after this many terms, which keeps f32 sums of long rows accurate.
inline constexpr int block = 1024;

/// Reductions of a row go by so many columns at once, written out: `omp simd reduction` of GCC
/// steps by 64 and leaves up to 63 columns to a scalar loop, which short rows mostly are.
inline constexpr int lanes = 16;
template <class T>
using Lanes __attribute__((vector_size(lanes * sizeof(T)))) = T;

/// Partial sums in as many registers as they take: GCC keeps larger vectors in memory.
template <class T>
struct Sums {
  static constexpr int registers = lanes * sizeof(T) / 64;
  using Register __attribute__((vector_size(64))) = T;
  Register in[registers];

  DFASCALE_INLINE void operator+=(const Sums& other) {
    for (int k = 0; k < registers; ++k) in[k] += other.in[k];
  }
  DFASCALE_INLINE void operator+=(const Lanes<T>& values) {
    Sums other;
    __builtin_memcpy(&other, &values, sizeof other);
    *this += other;
  }
};

/// f of `lanes` columns from c.
template <class F>
DFASCALE_INLINE auto at(int c, const F& f) {
  using T = decltype(f(0));
  alignas(sizeof(Lanes<T>)) T value[lanes];
#pragma omp simd
  for (int l = 0; l < lanes; ++l) value[l] = f(c + l);
  Lanes<T> all;
  __builtin_memcpy(&all, value, sizeof all);
  return all;
}

/// Sum of f over begin <= c < end; four sums side by side, since one addition waits for the last.
template <class F>
DFASCALE_INLINE auto sum_of(int begin, int end, const F& f) {
  using T = decltype(f(0));
  Sums<T> part[4] = {};
  int c = begin;
  for (; c + 4 * lanes <= end; c += 4 * lanes) {
    for (int k = 0; k < 4; ++k) part[k] += at(c + k * lanes, f);
  }
  for (; c + lanes <= end; c += lanes) part[0] += at(c, f);
  T rest = 0;
  for (; c < end; ++c) rest += f(c);
  part[0] += part[1];
  part[2] += part[3];
  part[0] += part[2];
  T lane[lanes];
  __builtin_memcpy(lane, part, sizeof lane);
  for (int width = lanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lane[l] += lane[l + width];
  }
  return lane[0] + rest;
}

inline std::int64_t chunks(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

}  // namespace launch

struct Row {
  std::int64_t index;
};

template <std::size_t N, class F>
void each(const char (&name)[N], const Device&, std::int64_t n, const F& f) {
  Kokkos::parallel_for(
      launch::label(name), launch::Range(0, launch::chunks(n, launch::chunk)), [=](std::int64_t k) {
        const F local = f;  // a copy in registers: stores cannot alias what f holds
        const std::int64_t last = std::min(n, (k + 1) * launch::chunk);
#pragma omp simd
        for (std::int64_t i = k * launch::chunk; i < last; ++i) local(i);
      });
}

template <std::size_t N, class F>
void rows(const char (&name)[N], const Device&, std::int64_t n, const F& f) {
  Kokkos::parallel_for(launch::label(name), launch::Range(0, n), [=](std::int64_t r) {
    const F local = f;
    local(Row{r});
  });
}

template <class F>
DFASCALE_INLINE auto row_sum(const Row&, std::int64_t n, const F& f) {
  decltype(f(0)) sum = 0;
  for (std::int64_t first = 0; first < n; first += launch::block) {
    sum += launch::sum_of(static_cast<int>(first),
                          static_cast<int>(std::min(n, first + launch::block)), f);
  }
  return sum;
}

template <class F>
DFASCALE_INLINE auto row_max(const Row&, std::int64_t n, const F& f) {
  using T = decltype(f(0));
  const int end = static_cast<int>(n);
  launch::Lanes<T> lane = launch::Lanes<T>{} + f(0);
  int c = 0;
  for (; c + launch::lanes <= end; c += launch::lanes) {
    const launch::Lanes<T> next = launch::at(c, f);
    lane = lane < next ? next : lane;
  }
  T best = lane[0];
  const auto take = [&](T value) { best = best < value ? value : best; };
  for (int l = 1; l < launch::lanes; ++l) take(lane[l]);
  for (; c < end; ++c) take(f(c));
  return best;
}

template <class F>
DFASCALE_INLINE void row_each(const Row&, std::int64_t n, const F& f) {
  const int end = static_cast<int>(n);
#pragma omp simd
  for (int c = 0; c < end; ++c) f(c);
}

template <class F>
DFASCALE_INLINE void once(const Row&, const F& f) {
  f();
}

template <std::size_t N, class F, class Store>
void column_sums(const char (&name)[N], const Device&, std::int64_t rows, std::int64_t cols,
                 const F& f, const Store& store) {
  constexpr std::int64_t width = 256;  // columns per thread, read as one piece of each row
  constexpr std::int64_t height = 64;  // rows per partial sum
  Kokkos::parallel_for(launch::label(name), launch::Range(0, launch::chunks(cols, width)),
                       [=](std::int64_t k) {
                         const F local = f;
                         const std::int64_t first = k * width;
                         const int count = static_cast<int>(std::min(width, cols - first));
                         float sum[width] = {};
                         for (std::int64_t top = 0; top < rows; top += height) {
                           float part[width] = {};
                           for (std::int64_t r = top; r < std::min(rows, top + height); ++r) {
#pragma omp simd
                             for (int c = 0; c < count; ++c) part[c] += local(r, first + c);
                           }
#pragma omp simd
                           for (int c = 0; c < count; ++c) sum[c] += part[c];
                         }
                         for (int c = 0; c < count; ++c) store(first + c, sum[c]);
                       });
}

template <std::size_t N, class F>
void total(const char (&name)[N], const Device&, double* out, std::int64_t n, const F& f) {
  const Kokkos::View<double, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>> result(
      out);
  Kokkos::parallel_reduce(
      launch::label(name), launch::Range(0, launch::chunks(n, launch::chunk)),
      [=](std::int64_t k, double& sum) {
        const F local = f;
        const std::int64_t last = std::min(n, (k + 1) * launch::chunk);
        double part = 0;
#pragma omp simd reduction(+ : part)
        for (std::int64_t i = k * launch::chunk; i < last; ++i) part += local(i);
        sum += part;
      },
      result);
}

}  // namespace dfascale
