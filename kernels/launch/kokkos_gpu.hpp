// The vocabulary of kernels/launch.hpp on GPUs, by Kokkos: a row is one team.
#pragma once

#include <Kokkos_Core.hpp>
#include <string>
#include <type_traits>

#define DFASCALE_KERNEL KOKKOS_LAMBDA

namespace dfascale {
namespace launch {

using Space = Kokkos::Cuda;
using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;
using Teams = Kokkos::TeamPolicy<Space, Kokkos::IndexType<std::int64_t>>;

inline Space space_of(const Device& on) { return Space(static_cast<cudaStream_t>(on.stream)); }

}  // namespace launch

struct Row {
  const launch::Teams::member_type* team;
  std::int64_t index;
};

template <class F>
void each(const char* name, const Device& on, std::int64_t n, const F& f) {
  Kokkos::parallel_for(name, launch::Range(launch::space_of(on), 0, n), f);
}

template <class F>
void rows(const char* name, const Device& on, std::int64_t n, const F& f) {
  if (n == 0) return;
  Kokkos::parallel_for(
      name, launch::Teams(launch::space_of(on), static_cast<int>(n), Kokkos::AUTO),
      KOKKOS_LAMBDA(const launch::Teams::member_type& team) {
        f(Row{&team, team.league_rank()});
      });
}

template <class F>
KOKKOS_INLINE_FUNCTION auto row_sum(const Row& row, std::int64_t n, const F& f) {
  using T = std::decay_t<decltype(f(0))>;
  T sum = 0;
  Kokkos::parallel_reduce(
      Kokkos::TeamThreadRange(*row.team, n), [&](int c, T& part) { part += f(c); }, sum);
  row.team->team_barrier();
  return sum;
}

template <class F>
KOKKOS_INLINE_FUNCTION auto row_max(const Row& row, std::int64_t n, const F& f) {
  using T = std::decay_t<decltype(f(0))>;
  T best;
  Kokkos::parallel_reduce(
      Kokkos::TeamThreadRange(*row.team, n),
      [&](int c, T& part) {
        const T value = f(c);
        part = part < value ? value : part;
      },
      Kokkos::Max<T>(best));
  row.team->team_barrier();
  return best;
}

template <class F>
KOKKOS_INLINE_FUNCTION void row_each(const Row& row, std::int64_t n, const F& f) {
  Kokkos::parallel_for(Kokkos::TeamThreadRange(*row.team, n), [&](int c) { f(c); });
}

template <class F>
KOKKOS_INLINE_FUNCTION void once(const Row& row, const F& f) {
  Kokkos::single(Kokkos::PerTeam(*row.team), f);
}

/// One thread per column: neighbours read neighbouring addresses.
template <class F, class Store>
void column_sums(const char* name, const Device& on, std::int64_t rows, std::int64_t cols,
                 const F& f, const Store& store) {
  Kokkos::parallel_for(
      name, launch::Range(launch::space_of(on), 0, cols), KOKKOS_LAMBDA(std::int64_t c) {
        float sum = 0;
        for (std::int64_t r = 0; r < rows; ++r) sum += f(r, c);
        store(c, sum);
      });
}

template <class F>
void total(const char* name, const Device& on, double* out, std::int64_t n, const F& f) {
  const Kokkos::View<double, launch::Space::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>
      result(out);
  Kokkos::parallel_reduce(
      name, launch::Range(launch::space_of(on), 0, n),
      KOKKOS_LAMBDA(std::int64_t i, double& sum) { sum += f(i); }, result);
}

}  // namespace dfascale
