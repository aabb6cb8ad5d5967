// Steps of AdamW on a model's own gradients against plain loops in double: groups of clipping,
// decay, the multiplier of fed-back blocks, frozen tensors (SPEC section 3).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "tests/support/small_model.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t sequences = 3, layers = 3;
constexpr double rate = 0.01;

struct Case {
  const char* name;
  const char* rule;
  Clip clip;
  double clip_norm;
  bool tied;
  double block_lr_multiplier = 1;
  std::int64_t vocab = 19;
};

// Norms of 0.02 clip every group, of 0.2 some; embeddings of 1,100 tokens take several pieces.
const Case cases[] = {{"bp_global", "bp", Clip::global, 0.02, true},
                      {"bp_none", "bp", Clip::none, 0.02, true},
                      {"bp_block", "bp", Clip::block, 0.2, true},
                      {"bp_block_untied", "bp", Clip::block, 0.02, false},
                      {"dfa_multiplier", "dfa", Clip::global, 0.2, true, 0.03},
                      {"dfa_block_untied", "dfa", Clip::block, 0.2, false, 3},
                      {"dfa_still", "dfa", Clip::none, 1, true, 0},
                      {"canonical_block", "dfa-canonical", Clip::block, 0.02, true, 0.5},
                      {"shallow_block", "shallow", Clip::block, 0.02, true},
                      {"shallow_global", "shallow", Clip::global, 0.02, false},
                      {"bp_block_pieces", "bp", Clip::block, 0.02, true, 1, 1100}};

OptimSettings settings_of(const Case& c) {
  OptimSettings optim = plain_adamw();
  optim.beta1 = 0.8;
  optim.beta2 = 0.9;
  optim.eps = 1e-4;
  optim.weight_decay = 0.3;
  optim.clip = c.clip;
  optim.clip_norm = c.clip_norm;
  return optim;
}

/// Who is clipped together: with the tied matrix in the head's group, on its summed gradient.
std::string group_of(const Parameter& p, const Case& c, bool projector_is_trained) {
  if (c.clip == Clip::global) return "all";
  if (p.block >= 0 && p.block < layers) return "block " + std::to_string(p.block);
  const bool is_tied_matrix = p.name == "token_embedding.weight" && c.tied && projector_is_trained;
  return p.name.find("embedding") != std::string::npos && !is_tied_matrix ? "embeddings" : "head";
}

/// One tensor as the equations have it, in double.
struct Tensor {
  std::vector<double> value, m, v;

  void step(const std::vector<float>& gradient, double scale, double rate, int number, bool decays,
            const OptimSettings& o) {
    m.resize(value.size());
    v.resize(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
      const double g = scale * static_cast<double>(gradient[i]);
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
      const double mean = m[i] / (1 - std::pow(o.beta1, number)),
                   square = v[i] / (1 - std::pow(o.beta2, number));
      if (decays) value[i] *= 1 - rate * o.weight_decay;
      value[i] -= rate * mean / (std::sqrt(square) + o.eps);
    }
  }
};

class Update : public testing::TestWithParam<Case> {};

TEST_P(Update, IsThatOfTheEquations) {
  const Case& c = GetParam();
  Rule rule = preset(c.rule);
  rule.block_lr_multiplier = c.block_lr_multiplier;
  const OptimSettings optim = settings_of(c);
  SmallModel model({layers, 16, 2, 6, c.vocab, c.tied, Activation::gelu}, rule, sequences, 0.15,
                   optim);
  std::map<std::string, Tensor> expected;
  for (const Parameter& p : model.learner().table().all()) {
    const std::vector<float> start = model.values(p);
    expected[p.name].value.assign(start.begin(), start.end());
  }
  for (int number = 1; number <= 3; ++number) {
    model.take_gradients();
    std::map<std::string, double> squares;
    for (const Parameter& p : model.learner().table().all()) {
      if (!p.trained) continue;
      double& sum = squares[group_of(p, c, rule.train_projector)];
      for (const float g : model.gradient(p))
        sum += static_cast<double>(g) * static_cast<double>(g);
    }
    for (const Parameter& p : model.learner().table().all()) {
      if (!p.trained) continue;
      const double norm = std::sqrt(squares[group_of(p, c, rule.train_projector)]);
      const bool clips = c.clip != Clip::none && norm > c.clip_norm;
      const bool fed_back = rule.inner == Credit::direct && p.block >= 0 && p.block < layers - 1;
      expected[p.name].step(model.gradient(p), clips ? c.clip_norm / norm : 1,
                            rate * (fed_back ? c.block_lr_multiplier : 1), number, p.dims == 2,
                            optim);
    }
    model.learner().update(number, rate);
  }
  for (const Parameter& p : model.learner().table().all()) {
    const std::vector<float> found = model.values(p);
    const std::vector<double>& wanted = expected[p.name].value;
    for (std::size_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], wanted[i], 1e-6) << p.name << ", element " << i;
  }
}

TEST(Update, GradientsWithoutASquareInFloatEndTheRun) {
  for (const Clip clip : {Clip::none, Clip::global}) {
    OptimSettings optim = plain_adamw();
    optim.clip = clip;
    SmallModel model({layers, 16, 2, 6, 19, true, Activation::gelu}, preset("bp"), sequences, 0.15,
                     optim);
    AdamW& adamw = model.learner().adamw();
    const auto& all = model.learner().table().all();
    const auto trained = std::count_if(all.begin(), all.end(), [](auto& p) { return p.trained; });
    std::vector<double> squares(static_cast<std::size_t>(trained), 1.0);
    adamw.norms(squares);
    squares[3] = 1e40;
    if (clip == Clip::none) {
      try {
        adamw.norms(squares);
        FAIL() << "a gradient of 1e20 passes";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Exit::numerical);
        EXPECT_NE(std::string(error.what()).find("too large to be squared, 1e+20"),
                  std::string::npos)
            << error.what();
      }
    } else {
      EXPECT_EQ(adamw.norms(squares).global, 1e20);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Update, testing::ValuesIn(cases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dfascale::test
