#include "kernels/adam.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/oracle/adam.hpp"

namespace dfascale::test {
namespace {

class Adam : public testing::TestWithParam<std::int64_t> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Adam, testing::Values(0, 1, 17, 100, 4096, 10001));

/// Parameter, moments and gradient of a tensor, on the device and in double.
struct Tensor {
  explicit Tensor(std::int64_t n)
      : p(random_values(n, 1)),
        m(n),
        v(n),
        device_p(to_float(p)),
        device_m(to_float(m)),
        device_v(to_float(v)) {}

  oracle::Values p, m, v;
  Array<float> device_p, device_m, device_v;
};

AdamStep step_at(int step, float decay) {
  return {1e-2f,
          0.9f,
          0.95f,
          1e-8f,
          decay,
          1 - std::pow(0.9f, float(step)),
          1 - std::pow(0.95f, float(step))};
}

TEST_P(Adam, StepsEqualTheOracle) {
  const std::int64_t n = GetParam();
  for (const float decay : {0.0f, 0.1f}) {
    Tensor t(n);
    const float scale = 0.25f;
    const Array<float> device_scale(std::vector<float>{scale});
    for (int step = 1; step <= 4; ++step) {
      const oracle::Values gradient = random_values(n, 10 + step, 1e-3);
      const Array<float> device_gradient(to_float(gradient));
      adamw(on, t.device_p.vec(), t.device_m.vec(), t.device_v.vec(), device_gradient.view(),
            device_scale.data(), step_at(step, decay));
      for (std::int64_t i = 0; i < n; ++i) {
        const oracle::Moments now =
            oracle::adamw({t.p[i], t.m[i], t.v[i]}, scale * gradient[i], step_at(step, decay));
        t.p[i] = now.p;
        t.m[i] = now.m;
        t.v[i] = now.v;
      }
    }
    const double tolerance = 4 * 8 * eps;  // 4 steps of about 8 roundings
    expect_close(to_double(t.device_p.host()), t.p, tolerance, "p");
    expect_close(to_double(t.device_m.host()), t.m, tolerance, "m");
    expect_close(to_double(t.device_v.host()), t.v, tolerance, "v");
  }
}

TEST(Adam, NonFiniteGradientsShow) {
  for (const float bad : {NAN, INFINITY}) {
    Tensor t(100);
    std::vector<float> gradient(100, 1.0f);
    gradient[40] = bad;
    const Array<float> device_gradient(gradient), one(std::vector<float>{1.0f});
    adamw(on, t.device_p.vec(), t.device_m.vec(), t.device_v.vec(), device_gradient.view(),
          one.data(), step_at(1, 0.1f));
    EXPECT_FALSE(std::isfinite(t.device_p.host()[40]));
    EXPECT_TRUE(std::isfinite(t.device_p.host()[41]));
  }
}

}  // namespace
}  // namespace dfascale::test
