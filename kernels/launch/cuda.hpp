// The vocabulary of kernels/launch.hpp in bare CUDA, for machines without a Kokkos built for CUDA.
// A row is one block of threads; sums go down a tree of fixed shape.
#pragma once

#include <cuda_runtime.h>

#include <type_traits>

#include "kernels/cuda/launch.hpp"
#include "kernels/device.hpp"
#include "kernels/span.hpp"

#define DFASCALE_KERNEL [=] __device__

namespace dfascale {
namespace launch {

inline constexpr int threads = 256;  // per block
inline constexpr int warps = threads / 32;
inline constexpr unsigned whole_warp = 0xffffffffu;

/// Combines one value per thread; every thread gets the result.  All threads of the block must call
/// it.
template <class T, class Join>
__device__ T across_block(T value, T neutral, const Join& join) {
  __shared__ T parts[warps];
  for (int step = 16; step > 0; step /= 2) {
    value = join(value, __shfl_xor_sync(whole_warp, value, step));
  }
  __syncthreads();  // parts may still be read from the call before
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  T result = neutral;
  for (int w = 0; w < warps; ++w) result = join(result, parts[w]);
  return result;
}

template <class F>
__global__ void each_kernel(std::int64_t n, F f) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) f(i);
}

template <class Row, class F>
__global__ void rows_kernel(F f) {
  f(Row{static_cast<std::int64_t>(blockIdx.x)});
}

// As many threads as a block can have: columns are few, and each block walks down all rows.
inline constexpr int column_width = 32, column_height = 32;

/// Thread (x, y) sums rows y, y + 32, ... of column x; then y = 0 adds the parts in order.
template <class F, class Store>
__global__ void column_sums_kernel(std::int64_t rows, std::int64_t cols, F f, Store store) {
  __shared__ float parts[column_height][column_width];
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * column_width + threadIdx.x;
  float sum = 0;
  if (c < cols) {
    for (std::int64_t r = threadIdx.y; r < rows; r += column_height) sum += f(r, c);
  }
  parts[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || c >= cols) return;
  for (int y = 1; y < column_height; ++y) sum += parts[y][threadIdx.x];
  store(c, sum);
}

inline constexpr int total_blocks = 512;

/// The block that finishes last adds the blocks' parts in order, so that no scratch memory and no
/// second launch is needed.  One stream at a time may run it.
template <class F>
__global__ void total_kernel(double* out, std::int64_t n, F f) {
  __shared__ bool last;
  static __device__ double parts[total_blocks];
  static __device__ unsigned finished = 0;
  const auto plus = [](double a, double b) { return a + b; };
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * threads;
  double sum = 0;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; i < n;
       i += stride) {
    sum += f(i);
  }
  sum = across_block(sum, 0.0, plus);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = sum;
    __threadfence();
    last = atomicAdd(&finished, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  sum = 0;
  for (unsigned b = threadIdx.x; b < gridDim.x; b += threads) {
    sum += *static_cast<volatile double*>(parts + b);
  }
  sum = across_block(sum, 0.0, plus);
  if (threadIdx.x != 0) return;
  *out = sum;
  finished = 0;
}

}  // namespace launch

struct Row {
  std::int64_t index;
};

template <class F>
void each(const char* name, const Device& on, std::int64_t n, const F& f) {
  if (n == 0) return;
  const auto blocks = static_cast<unsigned>((n + launch::threads - 1) / launch::threads);
  launch::begin_launch(name);
  launch::each_kernel<<<blocks, launch::threads, 0, launch::stream_of(on)>>>(n, f);
  launch::end_launch(name);
}

template <class F>
void rows(const char* name, const Device& on, std::int64_t n, const F& f) {
  if (n == 0) return;
  launch::begin_launch(name);
  launch::rows_kernel<Row>
      <<<static_cast<unsigned>(n), launch::threads, 0, launch::stream_of(on)>>>(f);
  launch::end_launch(name);
}

template <class F>
__device__ auto row_sum(const Row&, std::int64_t n, const F& f) {
  using T = std::decay_t<decltype(f(0))>;
  T sum = 0;
  for (int c = threadIdx.x; c < n; c += launch::threads) sum += f(c);
  return launch::across_block(sum, T(0), [](T a, T b) { return a + b; });
}

template <class F>
__device__ auto row_max(const Row&, std::int64_t n, const F& f) {
  using T = std::decay_t<decltype(f(0))>;
  const T first = f(0);
  T best = first;
  for (int c = threadIdx.x; c < n; c += launch::threads) {
    const T value = f(c);
    best = best < value ? value : best;
  }
  return launch::across_block(best, first, [](T a, T b) { return a < b ? b : a; });
}

template <class F>
__device__ void row_each(const Row&, std::int64_t n, const F& f) {
  for (int c = threadIdx.x; c < n; c += launch::threads) f(c);
}

template <class F>
__device__ void once(const Row&, const F& f) {
  if (threadIdx.x == 0) f();
}

template <class F, class Store>
void column_sums(const char* name, const Device& on, std::int64_t rows, std::int64_t cols,
                 const F& f, const Store& store) {
  if (cols == 0) return;
  const auto blocks =
      static_cast<unsigned>((cols + launch::column_width - 1) / launch::column_width);
  const dim3 shape(launch::column_width, launch::column_height);
  launch::begin_launch(name);
  launch::column_sums_kernel<<<blocks, shape, 0, launch::stream_of(on)>>>(rows, cols, f, store);
  launch::end_launch(name);
}

template <class F>
void total(const char* name, const Device& on, double* out, std::int64_t n, const F& f) {
  launch::begin_launch(name);
  launch::total_kernel<<<launch::total_blocks, launch::threads, 0, launch::stream_of(on)>>>(out, n,
                                                                                            f);
  launch::end_launch(name);
}

}  // namespace dfascale
