// The vocabulary of kernels/launch.hpp on GPUs, by Kokkos: a row is one team.  No vendor is named
// here: what differs between CUDA, HIP and SYCL is how the stream of a Device becomes a space to
// run in (space_of; for CUDA in kokkos_cuda.cpp).
#pragma once

#include <Kokkos_Core.hpp>
#include <cstdint>
#include <type_traits>

#include "kernels/device.hpp"
#include "kernels/launch/kokkos_label.hpp"
#include "kernels/span.hpp"

#define DFASCALE_KERNEL KOKKOS_LAMBDA

namespace dfascale {
namespace launch {

using Space = Kokkos::DefaultExecutionSpace;
using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;
using Team = Kokkos::TeamPolicy<Space>::member_type;

/// Queues on the stream of a device.
Space space_of(const Device& on);

// Threads of a team.  Numbers of our own, not Kokkos::AUTO: sums go in an order that depends on
// them.  Where the space is a host's, as in tests, a team is one thread.
inline constexpr bool on_host = std::is_same_v<Space, Kokkos::DefaultHostExecutionSpace>;
inline constexpr int row_threads = on_host ? 1 : 256;
inline constexpr int column_width = 32, column_height = on_host ? 1 : 32;
inline constexpr int column_parts = column_width * column_height * sizeof(float);  // bytes

}  // namespace launch

struct Row {
  const launch::Team* team;
  std::int64_t index;
};

namespace launch {

template <class F>
struct EachRow {
  F f;

  KOKKOS_FUNCTION void operator()(const Team& team) const { f(Row{&team, team.league_rank()}); }
};

/// Lane x of thread y sums rows y, y + column_height, ... of column x; then thread 0 adds the parts
/// in order.
template <class F, class Store>
struct ColumnSums {
  std::int64_t rows, cols;
  F f;
  Store store;

  KOKKOS_FUNCTION void operator()(const Team& team) const {
    const int bytes = column_parts;  // get_shmem wants a reference: on the GPU, to a local
    auto* const parts = static_cast<float*>(team.team_shmem().get_shmem(bytes));
    const int y = team.team_rank();
    const std::int64_t first = static_cast<std::int64_t>(team.league_rank()) * column_width;
    const auto lanes = Kokkos::ThreadVectorRange(team, column_width);
    Kokkos::parallel_for(lanes, [&](int x) {
      float sum = 0;
      if (first + x < cols) {
        for (std::int64_t r = y; r < rows; r += column_height) sum += f(r, first + x);
      }
      parts[y * column_width + x] = sum;
    });
    team.team_barrier();
    if (y != 0) return;
    Kokkos::parallel_for(lanes, [&](int x) {
      float sum = parts[x];
      for (int k = 1; k < column_height; ++k) sum += parts[k * column_width + x];
      if (first + x < cols) store(first + x, sum);
    });
  }
};

template <class F>
struct Total {
  F f;

  KOKKOS_FUNCTION void operator()(std::int64_t i, double& sum) const { sum += f(i); }
};

}  // namespace launch

template <std::size_t N, class F>
void each(const char (&name)[N], const Device& on, std::int64_t n, const F& f) {
  Kokkos::parallel_for(launch::label(name), launch::Range(launch::space_of(on), 0, n), f);
}

template <std::size_t N, class F>
void rows(const char (&name)[N], const Device& on, std::int64_t n, const F& f) {
  if (n == 0) return;
  using Policy = Kokkos::TeamPolicy<launch::Space, Kokkos::LaunchBounds<launch::row_threads>>;
  Kokkos::parallel_for(launch::label(name),
                       Policy(launch::space_of(on), static_cast<int>(n), launch::row_threads),
                       launch::EachRow<F>{f});
}

template <class F>
KOKKOS_INLINE_FUNCTION auto row_sum(const Row& row, std::int64_t n, const F& f) {
  using T = std::decay_t<decltype(f(0))>;
  T sum = 0;
  for (int c = row.team->team_rank(); c < n; c += launch::row_threads) sum += f(c);
  row.team->team_reduce(Kokkos::Sum<T>(sum));
  return sum;
}

template <class F>
KOKKOS_INLINE_FUNCTION auto row_max(const Row& row, std::int64_t n, const F& f) {
  using T = std::decay_t<decltype(f(0))>;
  T best = f(0);
  for (int c = row.team->team_rank(); c < n; c += launch::row_threads) {
    const T value = f(c);
    best = best < value ? value : best;
  }
  row.team->team_reduce(Kokkos::Max<T>(best));
  return best;
}

template <class F>
KOKKOS_INLINE_FUNCTION void row_each(const Row& row, std::int64_t n, const F& f) {
  for (int c = row.team->team_rank(); c < n; c += launch::row_threads) f(c);
}

template <class F>
KOKKOS_INLINE_FUNCTION void once(const Row& row, const F& f) {
  if (row.team->team_rank() == 0) f();
}

template <std::size_t N, class F, class Store>
void column_sums(const char (&name)[N], const Device& on, std::int64_t rows, std::int64_t cols,
                 const F& f, const Store& store) {
  if (cols == 0) return;
  constexpr int width = launch::column_width, height = launch::column_height;
  using Policy = Kokkos::TeamPolicy<launch::Space, Kokkos::LaunchBounds<width * height>>;
  Policy policy(launch::space_of(on), static_cast<int>((cols + width - 1) / width), height, width);
  policy.set_scratch_size(0, Kokkos::PerTeam(launch::column_parts));
  Kokkos::parallel_for(launch::label(name), policy,
                       launch::ColumnSums<F, Store>{rows, cols, f, store});
}

/// Kokkos chooses how many blocks share the terms, by n and by the card.
template <std::size_t N, class F>
void total(const char (&name)[N], const Device& on, double* out, std::int64_t n, const F& f) {
  const Kokkos::View<double, launch::Space::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>
      result(out);
  Kokkos::parallel_reduce(launch::label(name), launch::Range(launch::space_of(on), 0, n),
                          launch::Total<F>{f}, result);
}

}  // namespace dfascale
