// The vocabulary of kernels/launch.hpp on hosts: Kokkos (Serial, OpenMP) deals out rows and chunks,
// and loops within them are vectorised by `omp simd`.  No team overhead: a row is worked on by one
// thread.
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <type_traits>

#include "kernels/lanes.hpp"
#include "kernels/launch/kokkos_label.hpp"

#define DFASCALE_KERNEL [=]

namespace dfascale {
namespace launch {

using Space = Kokkos::DefaultHostExecutionSpace;
using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;

/// 0 .. n-1 in a space that is kept: since Kokkos 3.7 making one allocates.
inline Range range(std::int64_t n) {
  static const Space space;
  return Range(space, 0, n);
}

/// Chunks are small enough for the first-level cache and large enough to hide the cost of a call.
inline constexpr std::int64_t chunk = 4096;
/// Partial sums are closed after this many terms, which keeps f32 sums of long rows accurate.
inline constexpr int block = 1024;

template <class T>
using Register __attribute__((vector_size(64))) = T;

/// op(all[k], f) for `count` columns from c, the next register of them with the next k.
template <int count, class T, class F, class Op>
DFASCALE_INLINE void take_columns(Register<T>* all, int c, const F& f, const Op& op) {
  alignas(64) T value[count];
#pragma omp simd
  for (int l = 0; l < count; ++l) value[l] = f(c + l);
  for (std::size_t k = 0; k < sizeof value / 64; ++k) {
    Register<T> next;
    __builtin_memcpy(&next, value + k * (64 / sizeof(T)), 64);
    op(all[k], next);
  }
}

/// f over begin <= c < end, put together by op(into, next), from `start` on, which it meets often.
/// Written out by 32 and 16 columns: `omp simd reduction` of GCC steps by 64 and leaves up to 63 to
/// a scalar loop, which short rows mostly are; by 16 alone numbers of 2 bytes fill no vector.
template <class F, class Op, class T = std::invoke_result_t<F, int>>
DFASCALE_INLINE T reduce(int begin, int end, T start, const F& f, const Op& op) {
  constexpr int many = 32, few = 16;
  Register<T> all[many * sizeof(T) / 64];
  for (Register<T>& one : all) one = Register<T>{} + start;
  int c = begin;
  for (; c + many <= end; c += many) take_columns<many, T>(all, c, f, op);
  for (; c + few <= end; c += few) take_columns<few, T>(all, c, f, op);
  T rest = start;
  for (; c < end; ++c) op(rest, f(c));
  for (int k = many * sizeof(T) / 64 / 2; k > 0; k /= 2)
    for (int i = 0; i < k; ++i) op(all[i], all[i + k]);
  T value = fold(all[0], op);
  op(value, rest);
  return value;
}

inline std::int64_t chunks(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

}  // namespace launch

struct Row {
  std::int64_t index;
};

template <std::size_t N, class F>
void each(const char (&name)[N], const Device&, std::int64_t n, const F& f) {
  Kokkos::parallel_for(
      launch::label(name), launch::range(launch::chunks(n, launch::chunk)), [=](std::int64_t k) {
        const F local = f;  // a copy in registers: stores cannot alias what f holds
        const std::int64_t last = std::min(n, (k + 1) * launch::chunk);
#pragma omp simd
        for (std::int64_t i = k * launch::chunk; i < last; ++i) local(i);
      });
}

template <std::size_t N, class F>
void rows(const char (&name)[N], const Device&, std::int64_t n, const F& f) {
  Kokkos::parallel_for(launch::label(name), launch::range(n), [=](std::int64_t r) {
    const F local = f;
    local(Row{r});
  });
}

template <class F>
DFASCALE_INLINE auto row_sum(const Row&, std::int64_t n, const F& f) {
  decltype(f(0)) sum = 0;
  for (std::int64_t first = 0; first < n; first += launch::block) {
    const auto end = static_cast<int>(std::min(n, first + launch::block));
    sum += launch::reduce(static_cast<int>(first), end, decltype(sum){0}, f,
                          [](auto& all, const auto& next) { all += next; });
  }
  return sum;
}

template <class F>
DFASCALE_INLINE auto row_max(const Row&, std::int64_t n, const F& f) {
  return launch::reduce(0, static_cast<int>(n), f(0), f,
                        [](auto& all, const auto& next) { all = all < next ? next : all; });
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
  Kokkos::parallel_for(launch::label(name), launch::range(launch::chunks(cols, width)),
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
      launch::label(name), launch::range(launch::chunks(n, launch::chunk)),
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
