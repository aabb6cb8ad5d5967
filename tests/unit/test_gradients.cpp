// Gradients of the whole model: backpropagation against central differences of the loss, and what
// the other rules must have in common with it.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/support/small_model.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t sequences = 3;
// Larger than in training, so that every tensor's gradient stands out of float32's rounding.
constexpr double init_std = 0.15;

Shape tiny(std::int64_t layers, Activation activation, bool tied = true, std::int64_t width = 16) {
  return {layers, width, 2, 6, 19, tied, activation};
}

double norm(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

/// |a - b| / |b|.
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    error += (x - y) * (x - y);
    scale += y * y;
  }
  return std::sqrt(error / scale);
}

// ---- backpropagation is the derivative of the loss

struct Case {
  const char* name;
  Activation activation;
  bool tied;
  double step;       ///< length of the difference's step
  double tolerance;  ///< of the tensor's gradient norm
  std::int64_t width = 16;
};

// Fourth order in the step for smooth activations; ReLU's kinks leave first order, so its step is
// shorter and rounding larger.  At 128 columns the MLP has rows that lie a line apart.
const Case cases[] = {{"relu_tied", Activation::relu, true, 2e-3, 2e-2},
                      {"relu_untied", Activation::relu, false, 2e-3, 2e-2},
                      {"gelu_tied", Activation::gelu, true, 2e-2, 2e-3},
                      {"gelu_untied", Activation::gelu, false, 2e-2, 2e-3},
                      {"tanh_tied", Activation::tanh, true, 2e-2, 2e-3},
                      {"tanh_untied", Activation::tanh, false, 2e-2, 2e-3},
                      {"gelu_rows_apart", Activation::gelu, true, 2e-2, 2e-3, 128}};

class Differences : public testing::TestWithParam<Case> {
 protected:
  /// Derivative of the loss along a unit vector of one tensor, by the five-point formula.
  static double slope(SmallModel& model, const Parameter& p, const std::vector<double>& along,
                      double step) {
    const std::vector<float> start = model.values(p);
    const auto loss_at = [&](double steps) {
      std::vector<float> moved = start;
      for (std::size_t i = 0; i < moved.size(); ++i)
        moved[i] = static_cast<float>(moved[i] + steps * step * along[i]);
      model.set_values(p, moved);
      return model.loss();
    };
    const double found =
        (8 * (loss_at(1) - loss_at(-1)) - (loss_at(2) - loss_at(-2))) / (12 * step);
    model.set_values(p, start);
    return found;
  }
};

TEST_P(Differences, AgreeWithEveryTensorsGradient) {
  const Case& c = GetParam();
  SmallModel model(tiny(2, c.activation, c.tied, c.width), preset("bp"), sequences, init_std);
  model.take_gradients();
  std::mt19937 draw(5);
  for (const Parameter& p : model.learner().table().all()) {
    const std::vector<float> g = model.gradient(p);
    const double whole = norm(std::vector<double>(g.begin(), g.end()));
    ASSERT_GT(whole, 1e-3) << p.name << ": too small to compare";
    // Along the gradient, and along it with random halves left out: a wrong element shows.
    for (int turn = 0; turn < 3; ++turn) {
      std::vector<double> along(g.begin(), g.end());
      if (turn > 0)
        for (double& x : along) x *= static_cast<double>(draw() % 2);
      const double length = norm(along);
      for (double& x : along) x /= length;
      EXPECT_NEAR(slope(model, p, along, c.step), length, c.tolerance * whole) << p.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Differences, testing::ValuesIn(cases),
                         [](const auto& info) { return std::string(info.param.name); });

// ---- the other rules

Rule dfa_by_blocks(Derivative derivative, Feedback feedback) {
  Rule rule = preset("dfa");
  rule.derivative = derivative;
  rule.feedback = feedback;
  return rule;
}

constexpr double same = 1e-6;  // the same sums of float32 in another order

/// Relative error between the gradients of two models' tensor.
double gradient_error(SmallModel& a, SmallModel& b, const std::string& name) {
  return relative_error(a.gradient(a.learner().table().find(name)),
                        b.gradient(b.learner().table().find(name)));
}

TEST(Rules, AgreeInTheLastBlockAndAbove) {
  const Shape shape = tiny(3, Activation::gelu, false);
  SmallModel bp(shape, preset("bp"), sequences, init_std);
  bp.take_gradients();
  for (const char* name : {"dfa", "dfa-canonical", "shallow"}) {
    SmallModel other(shape, preset(name), sequences, init_std);
    other.take_gradients();
    for (const Parameter& p : other.learner().table().all()) {
      if (p.block < 2 || !p.trained) continue;
      EXPECT_LT(gradient_error(other, bp, p.name), same) << name << ": " << p.name;
    }
  }
}

TEST(Rules, FeedbackScaleScalesGradientsOfFedBackBlocksOnly) {
  const Shape shape = tiny(3, Activation::relu);
  Rule doubled = dfa_by_blocks(Derivative::tanh, Feedback::gaussian);
  SmallModel once(shape, doubled, sequences, init_std);
  doubled.feedback_scale = 2;
  SmallModel twice(shape, doubled, sequences, init_std);
  once.take_gradients();
  twice.take_gradients();
  for (const Parameter& p : once.learner().table().all()) {
    if (p.block < 0) continue;  // tied: a sum of both kinds
    std::vector<float> expected = once.gradient(p);
    if (p.block < 2)
      for (float& x : expected) x *= 2;
    EXPECT_LT(relative_error(twice.gradient(p), expected), same) << p.name;
  }
}

TEST(Rules, IdentityFeedbackIsTheIdentityMatrix) {
  const Shape shape = tiny(3, Activation::gelu);
  SmallModel identity(shape, dfa_by_blocks(Derivative::tanh, Feedback::identity), sequences,
                      init_std);
  SmallModel drawn(shape, dfa_by_blocks(Derivative::tanh, Feedback::gaussian), sequences, init_std);
  const std::int64_t D = shape.width;
  std::vector<float> matrix(static_cast<std::size_t>(4 * D * D));
  for (std::int64_t d = 0; d < D; ++d) matrix[static_cast<std::size_t>(d * D + d)] = 1;
  drawn.learner().feedback().assign(drawn.on(), matrix, D);
  identity.take_gradients();
  drawn.take_gradients();
  for (const Parameter& p : identity.learner().table().all())
    EXPECT_LT(gradient_error(identity, drawn, p.name), same) << p.name;
}

TEST(Rules, OrthogonalFeedbackKeepsLengths) {
  const Shape shape = tiny(2, Activation::relu);
  SmallModel model(shape, dfa_by_blocks(Derivative::tanh, Feedback::orthogonal), sequences,
                   init_std);
  const ConstMat F = model.learner().feedback().matrix().as<const float>();
  ASSERT_EQ(F.rows, shape.width);
  for (std::int64_t i = 0; i < F.rows; ++i)
    for (std::int64_t j = 0; j < F.rows; ++j) {
      double product = 0;
      for (std::int64_t k = 0; k < shape.width; ++k)
        product += static_cast<double>(F(i, k)) * static_cast<double>(F(j, k));
      EXPECT_NEAR(product, i == j ? 1 : 0, 1e-6);
    }
}

TEST(Rules, TanhDerivativeIsExactForTanh) {
  const Shape shape = tiny(3, Activation::tanh);
  SmallModel exact(shape, dfa_by_blocks(Derivative::exact, Feedback::gaussian), sequences,
                   init_std);
  SmallModel replaced(shape, dfa_by_blocks(Derivative::tanh, Feedback::gaussian), sequences,
                      init_std);
  exact.take_gradients();
  replaced.take_gradients();
  for (const Parameter& p : exact.learner().table().all())
    EXPECT_LT(gradient_error(replaced, exact, p.name), same) << p.name;
}

/// FC1's weight gradient in a fed-back block by plain loops: ((F e) W2 ⊙ (1 - tanh(a)^2))^T LN2(h).
std::vector<float> expected_fc1_gradient(SmallModel& model, const Shape& shape) {
  const Stage& stage = model.learner().taker().stage();
  const BlockActivations& act = stage.slots[0].blocks[0].act;
  const ConstMat F = model.learner().feedback().matrix().as<const float>();
  const Mat error = stage.head.error.as<float>(), a = act.a.as<float>(), u2 = act.u2.as<float>();
  const std::vector<float> w2 =
      model.values(model.learner().table().find("blocks.0.mlp.fc2.weight"));  // (D, 4D)
  const std::int64_t D = shape.width;
  std::vector<double> sums(static_cast<std::size_t>(4 * D * D));
  for (std::int64_t r = 0; r < model.tokens(); ++r)
    for (std::int64_t j = 0; j < 4 * D; ++j) {
      double dz = 0;
      for (std::int64_t d = 0; d < D; ++d) {
        double signal = 0;
        for (std::int64_t k = 0; k < D; ++k)
          signal += static_cast<double>(F(d, k)) * static_cast<double>(error(r, k));
        dz += signal * static_cast<double>(w2[static_cast<std::size_t>(d * 4 * D + j)]);
      }
      const double t = std::tanh(static_cast<double>(a(r, j)));
      for (std::int64_t k = 0; k < D; ++k)
        sums[static_cast<std::size_t>(j * D + k)] +=
            dz * (1 - t * t) * static_cast<double>(u2(r, k));
    }
  return {sums.begin(), sums.end()};
}

TEST(Rules, TanhDerivativeReplacesThatOfGelu) {
  if (!device_memory_is_host()) GTEST_SKIP() << "reads device memory in place";
  const Shape shape = tiny(3, Activation::gelu);
  SmallModel model(shape, dfa_by_blocks(Derivative::tanh, Feedback::gaussian), sequences, init_std);
  model.take_gradients();
  const std::vector<float> found =
      model.gradient(model.learner().table().find("blocks.0.mlp.fc1.weight"));
  EXPECT_LT(relative_error(found, expected_fc1_gradient(model, shape)), 1e-5);
}

}  // namespace
}  // namespace dfascale::test
