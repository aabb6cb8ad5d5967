// In place of kernels/launch/kokkos_host.hpp: the vocabulary of kernels/launch.hpp as plain loops,
// launched on a fake GPU's stream (tests/support/fake_cuda).  A launch takes its functor by value,
// as on a GPU: a graph that replays it computes with the numbers and addresses it was recorded
// with. Kernels compiled over this, the GPU build's device, launch runtime and graphs, and
// products.cpp make a GPU build that runs on hosts.
#pragma once

#include <cmath>
#include <type_traits>

#include "tests/support/fake_cuda/control.hpp"

#define DFASCALE_KERNEL [=]

namespace dfascale {
namespace launch {

void begin_launch(const char* name);
void end_launch(const char* name);

template <class Kernel>
void start(const char* name, const Device& on, const Kernel& kernel) {
  begin_launch(name);
  fake_cuda::launch(static_cast<cudaStream_t>(on.stream), kernel);
  end_launch(name);
}

}  // namespace launch

struct Row {
  std::int64_t index;
};

template <class F>
void each(const char* name, const Device& on, std::int64_t n, const F& f) {
  if (n == 0) return;
  launch::start(name, on, [=] {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  });
}

template <class F>
void rows(const char* name, const Device& on, std::int64_t n, const F& f) {
  if (n == 0) return;
  launch::start(name, on, [=] {
    for (std::int64_t r = 0; r < n; ++r) f(Row{r});
  });
}

template <class F>
auto row_sum(const Row&, std::int64_t n, const F& f) {
  std::decay_t<decltype(f(0))> sum = 0;
  for (int c = 0; c < n; ++c) sum += f(c);
  return sum;
}

template <class F>
auto row_max(const Row&, std::int64_t n, const F& f) {
  auto best = f(0);
  for (int c = 1; c < n; ++c) {
    const auto value = f(c);
    best = best < value ? value : best;
  }
  return best;
}

template <class F>
void row_each(const Row&, std::int64_t n, const F& f) {
  for (int c = 0; c < n; ++c) f(c);
}

template <class F>
void once(const Row&, const F& f) {
  f();
}

template <class F, class Store>
void column_sums(const char* name, const Device& on, std::int64_t rows, std::int64_t cols,
                 const F& f, const Store& store) {
  if (cols == 0) return;
  launch::start(name, on, [=] {
    for (std::int64_t c = 0; c < cols; ++c) {
      float sum = 0;
      for (std::int64_t r = 0; r < rows; ++r) sum += f(r, c);
      store(c, sum);
    }
  });
}

template <class F>
void total(const char* name, const Device& on, double* out, std::int64_t n, const F& f) {
  launch::start(name, on, [=] {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += f(i);
    *out = sum;
  });
}

}  // namespace dfascale
