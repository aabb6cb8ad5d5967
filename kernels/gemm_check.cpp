#include "kernels/gemm_check.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.hpp"
#include "kernels/gemm.hpp"

namespace dfascale {
namespace {

struct Case {
  std::int64_t m, n, k;
  Side a_side, b_side;
};

/// A product for each way that they are made in training: forward, of inputs, of weights.
constexpr std::array cases = {Case{192, 160, 256, Side::plain, Side::plain},
                              Case{128, 1152, 64, Side::plain, Side::turned},
                              Case{160, 192, 1024, Side::turned, Side::plain}};

/// Whole numbers from -2 to 2, which look random.
std::vector<float> small_numbers(std::int64_t count, std::uint32_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    seed = seed * 1664525U + 1013904223U;
    value = static_cast<float>((seed >> 16U) % 5U) - 2.0F;
  }
  return values;
}

/// op(M) x for a row-major M of `cols` columns.
std::vector<double> times(const std::vector<float>& m, std::int64_t cols, Side side,
                          const std::vector<double>& x) {
  const std::int64_t rows = static_cast<std::int64_t>(m.size()) / cols;
  std::vector<double> sums(static_cast<std::size_t>(side == Side::plain ? rows : cols));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const double value = m[static_cast<std::size_t>(r * cols + c)];
      if (side == Side::plain) sums[static_cast<std::size_t>(r)] += value * x[c];
      else sums[static_cast<std::size_t>(c)] += value * x[r];
    }
  return sums;
}

/// Device memory with an owner.
struct Floats {
  std::unique_ptr<float, void (*)(void*)> data;
  explicit Floats(const Device& on, const std::vector<float>& values)
      : data(static_cast<float*>(device_allocate(values.size() * sizeof(float))), device_free) {
    copy_to_device(on, data.get(), values.data(), values.size() * sizeof(float));
  }
};

std::vector<float> product(const Device& on, Gemm& gemm, const Case& of,
                           const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> c(static_cast<std::size_t>(of.m * of.n), 1e6F);  // what is left out shows
  const Floats on_a(on, a), on_b(on, b), on_c(on, c);
  const auto stored = [](const Floats& floats, std::int64_t rows, std::int64_t cols, Side side) {
    return side == Side::plain ? Mat{floats.data.get(), rows, cols, cols}
                               : Mat{floats.data.get(), cols, rows, rows};
  };
  gemm({.c = stored(on_c, of.m, of.n, Side::plain),
        .a = stored(on_a, of.m, of.k, of.a_side),
        .a_side = of.a_side,
        .b = stored(on_b, of.k, of.n, of.b_side),
        .b_side = of.b_side});
  fence(on);
  copy_to_host(on, c.data(), on_c.data.get(), c.size() * sizeof(float));
  return c;
}

/// C x = A (B x): all numbers are whole and far below 2^24.
void check(const Device& on, Gemm& gemm, const Case& of) {
  const auto a = small_numbers(of.m * of.k, 1), b = small_numbers(of.k * of.n, 2);
  std::vector<double> x(static_cast<std::size_t>(of.n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i % 7 + 1);
  const auto found = times(product(on, gemm, of, a, b), of.n, Side::plain, x);
  const auto bx = times(b, of.b_side == Side::plain ? of.n : of.k, of.b_side, x);
  const auto wanted = times(a, of.a_side == Side::plain ? of.k : of.m, of.a_side, bx);
  if (found == wanted) return;
  fail(Exit::device,
       "matrix products are wrong with {}: one of {} x {} and {} x {} whole numbers does not give "
       "their sums; start with OMP_NUM_THREADS=1 and without other OMP_ variables, or choose "
       "another build of the library",
       Gemm::library(), of.m, of.k, of.k, of.n);
}

}  // namespace

void check_products(const Device& on) {
  Gemm gemm(on);
  for (const Case& of : cases) check(on, gemm, of);
}

}  // namespace dfascale
