// The vocabulary every kernel is written in; with kernels/launch/, the one place that knows Kokkos.
//
//   each(name, on, n, f)         f(i) for every i < n; elements do not depend on each other
//   rows(name, on, n, f)         f(row) for every row < n; inside it, by all of a row's threads:
//     row_sum(row, n, f)           sum of f(c) over columns c < n, known to all threads
//     row_max(row, n, f)           maximum of f(c), likewise; n > 0
//     row_each(row, n, f)          f(c) for every column c < n
//     once(row, f)                 f() by one thread
//   column_sums(name, on, r, c, f, store)
//                                store(column, sum over rows of f(row, column)) for each column
//   total(name, on, out, n, f)   *out = sum of f(i) over i < n, in double
//
// f is a DFASCALE_KERNEL lambda: it captures by value, only locals, spans and plain numbers.  Sums
// run in an order that depends on the sizes only, without atomics, so that two runs give equal
// bits.  A thread that writes in row_each sees its own column c again in a later row_each; other
// columns only after a row_sum or row_max.
#pragma once

#include <cstdint>

#include "kernels/device.hpp"
#include "kernels/span.hpp"

#if defined(DFASCALE_KOKKOS_GPU)
#include "kernels/launch/kokkos_gpu.hpp"
#elif defined(__CUDACC__)
#include "kernels/launch/cuda.hpp"
#else
#include "kernels/launch/kokkos_host.hpp"
#endif
