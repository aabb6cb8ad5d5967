#include "kernels/adam.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/oracle/adam.hpp"

namespace dfascale::test {
namespace {

class Adam : public testing::TestWithParam<std::int64_t> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Adam, testing::Values(0, 1, 17, 100, 4096, 10001));

constexpr std::int64_t rest = 3;  // elements after the last piece, which no kernel may touch

/// Parameters, moments and gradients of n elements and the rest, on the device and in double.
struct Buffers {
  explicit Buffers(std::int64_t n)
      : p(random_values(n + rest, 1)),
        m(n + rest),
        v(n + rest),
        device_p(to_float(p)),
        device_m(to_float(m)),
        device_v(to_float(v)) {}

  oracle::Values p, m, v;
  Array<float> device_p, device_m, device_v;
};

AdamStep step_at(int step) {
  return {0.9f, 0.95f, 1e-8f, 1 - std::pow(0.9f, float(step)), 1 - std::pow(0.95f, float(step))};
}

/// Scaled and decayed, neither, and standing still.
const std::vector<AdamTensor> tensors = {
    {0.25f, 1e-2f, 0.1f}, {1.0f, 1e-3f, 0.0f}, {0.5f, 0.0f, 0.1f}};

/// n elements, in pieces of 1, 8, 15, ... that belong to the tensors in turn.
std::vector<Piece> pieces_of(std::int64_t n) {
  std::vector<Piece> pieces;
  std::int32_t size = 1, tensor = 0;
  for (std::int64_t first = 0; first < n; first += size, size += 7, tensor = (tensor + 1) % 3)
    pieces.push_back(
        {first, static_cast<std::int32_t>(std::min<std::int64_t>(size, n - first)), tensor});
  return pieces;
}

TEST_P(Adam, StepsEqualTheOracle) {
  const std::int64_t n = GetParam();
  const std::vector<Piece> pieces = pieces_of(n);
  const Array<Piece> device_pieces(pieces);
  const Array<AdamTensor> device_tensors(tensors);
  Buffers b(n);
  for (int step = 1; step <= 4; ++step) {
    const oracle::Values gradient = random_values(n + rest, 10 + step, 1e-3);
    const Array<float> device_gradient(to_float(gradient));
    adamw(on, b.device_p.vec(), b.device_m.vec(), b.device_v.vec(), device_gradient.view(),
          device_pieces.view(), device_tensors.view(), step_at(step));
    for (const Piece& piece : pieces) {
      for (std::int64_t i = piece.first; i < piece.first + piece.size; ++i) {
        const oracle::Moments now =
            oracle::adamw({b.p[i], b.m[i], b.v[i]}, gradient[i],
                          tensors[static_cast<std::size_t>(piece.tensor)], step_at(step));
        b.p[i] = now.p;
        b.m[i] = now.m;
        b.v[i] = now.v;
      }
    }
  }
  const double tolerance = 4 * 8 * eps;  // 4 steps of about 8 roundings
  expect_close(to_double(b.device_p.host()), b.p, tolerance, "p");
  expect_close(to_double(b.device_m.host()), b.m, tolerance, "m");
  expect_close(to_double(b.device_v.host()), b.v, tolerance, "v");
  for (const Array<float>* untouched : {&b.device_m, &b.device_v})
    for (std::int64_t i = n; i < n + rest; ++i) EXPECT_EQ(untouched->host()[i], 0.0f);
}

TEST(Adam, NonFiniteGradientsShow) {
  const Array<Piece> pieces({{0, 100, 0}});
  for (const float bad : {NAN, INFINITY}) {
    Buffers b(100);
    std::vector<float> gradient(100, 1.0f);
    gradient[40] = bad;
    const Array<float> device_gradient(gradient);
    const Array<AdamTensor> constants(tensors);
    adamw(on, b.device_p.vec(), b.device_m.vec(), b.device_v.vec(), device_gradient.view(),
          pieces.view(), constants.view(), step_at(1));
    EXPECT_FALSE(std::isfinite(b.device_p.host()[40]));
    EXPECT_TRUE(std::isfinite(b.device_p.host()[41]));
  }
}

}  // namespace
}  // namespace dfascale::test
