// Kernels allocate nothing once they have run, and products next to nothing: a training step must
// not.
#include <atomic>
#include <cstdlib>
#include <new>

#include "kernels/activation.hpp"
#include "kernels/adam.hpp"
#include "kernels/attention.hpp"
#include "kernels/embed.hpp"
#include "kernels/gemm.hpp"
#include "kernels/loss.hpp"
#include "kernels/norm.hpp"
#include "kernels/reduce.hpp"
#include "kernels/residual.hpp"
#include "tests/kernel/arrays.hpp"

namespace {

std::atomic<long> allocations = 0;

}  // namespace

// With -O1 GCC inlines one of these and not the other, and takes free() for the wrong partner.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t bytes) {
  ++allocations;
  void* memory = std::malloc(bytes > 0 ? bytes : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace dfascale::test {
namespace {

constexpr std::int64_t rows = 6, cols = 5, vocab = 7;

/// Everything the kernels below need, allocated once.
struct Bench {
  Grid x{random_dense(rows, cols, 1), 0}, y{random_dense(rows, cols, 2), 0},
      logits{random_dense(rows, vocab, 3), 0};
  Grid table{random_dense(vocab, cols, 4), 0}, position{random_dense(rows, cols, 5), 0};
  Array<float> a{std::vector<float>(rows * cols, 1.0f)}, b{std::vector<float>(rows * cols, 1.0f)};
  Array<float> c{std::vector<float>(rows * cols, 1.0f)}, d{std::vector<float>(rows * cols, 1.0f)};
  Array<std::int32_t> tokens{random_tokens(rows, vocab, 6)}, places{{0, 1, 2, 3, 4, 5}},
      start{{0, 6}};
  Array<double> sum{std::vector<double>(1)};
  Array<Piece> pieces{{{0, rows* cols, 0}}};
  Array<AdamTensor> constants{{{1.0f, 1e-3f, 0.1f}}};

  void every_kernel() const {
    const Vec row(a.vec().part(0, cols)), other(b.vec().part(0, cols)), left(c.vec().part(0, rows));
    norm_forward(on, y.mat(), left, d.vec().part(0, rows), x.view(), row, other);
    norm_backward_input(on, y.mat(), Into::add, x.view(), x.view(), left, d.view().part(0, rows),
                        row);
    norm_backward_params(on, row, other, x.view(), y.view(), left, d.view().part(0, rows));
    normalize(on, y.mat(), x.view(), left, d.view().part(0, rows));
    norm_linear_backward_params(on, {row, other, y.mat(), left}, Into::add, y.view(), left,
                                {row, other, x.view()});
    activation_forward(on, y.mat(), x.view(), Activation::gelu);
    activation_backward(on, y.mat(), x.view(), x.view(), Activation::relu, Derivative::tanh);
    embed_forward(on, y.mat(), tokens.view(), table.view(), position.view());
    token_embedding_backward(on, table.mat(), x.view(), tokens.view(),
                             {places.view(), start.view(), 1});
    position_embedding_backward(on, position.mat(), x.view());
    cross_entropy(on, left, logits.view(), tokens.view(), vocab);
    cross_entropy_with_gradient(on, left, logits.mat(), tokens.view(), vocab, 1.0f);
    adamw(on, a.vec(), b.vec(), c.vec(), d.view(), pieces.view(), constants.view(),
          {0.9f, 0.95f, 1e-8f, 0.1f, 0.05f});
    add(on, y.mat(), x.view(), y.view());
    copy(on, a.vec(), b.view());
    fill(on, a.vec(), 1.0f);
    scale(on, a.vec(), 0.5f);
    bias_backward(on, row, x.view());
    sum_of_squares(on, sum.data(), a.view());
    piece_squares(on, sum.vec(), a.view(), pieces.view());
    dot(on, sum.data(), a.view(), b.view());
    add_sum(on, sum.data(), a.view());
  }
};

TEST(Allocation, KernelsAllocateNothing) {
  if (backend_name().find("OpenMP") != std::string::npos)
    GTEST_SKIP() << "Kokkos' OpenMP itself makes a space, a few bytes, in every launch";
  const Bench bench;
  bench.every_kernel();
  const long before = allocations;
  bench.every_kernel();
  EXPECT_EQ(allocations - before, 0);
}

TEST(Allocation, ProductsAllocateNoArrays) {
  Gemm gemm(on);
  const Grid a(random_dense(64, 64, 1), 0), b(random_dense(64, 64, 2), 0),
      c(random_dense(64, 64, 3), 0);
  const Array<float> bias(std::vector<float>(64, 1.0f));
  const auto every_route = [&] {
    gemm({.c = c.mat(), .a = a.view(), .b = b.view(), .b_side = Side::turned, .bias = bias.view()});
    gemm({.c = c.mat(), .a = a.view(), .a_side = Side::turned, .b = b.view(), .into = Into::add});
  };
  every_route();
  const long before = allocations;
  every_route();
  const long library_bookkeeping = 20;  // oneDNN keeps a small map of arguments per call
  EXPECT_LE(allocations - before, library_bookkeeping);
}

}  // namespace
}  // namespace dfascale::test
