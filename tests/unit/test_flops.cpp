// Exact FLOP of the rules (SPEC section 5): against the paper's sizes, where products can be
// counted by hand.
#include <gtest/gtest.h>

#include <algorithm>

#include "credit/flops.hpp"

namespace dfascale {
namespace {

constexpr Shape small_57m{7, 576, 9, 512, 51200, true, Activation::relu};
constexpr Shape large_509m{18, 1408, 22, 512, 51200, true, Activation::relu};

const Rule& preset(const char* name) {
  return *std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return r.name == name; });
}

Rule layerwise_preprojector() {
  Rule rule = preset("dfa-canonical");
  rule.error = ErrorTap::preprojector;
  return rule;
}

Rule without_embedding_credit() {
  Rule rule = preset("dfa");
  rule.embedding = EmbeddingCredit::none;
  return rule;
}

Rule shallow_with_projector() {
  Rule rule = preset("shallow");
  rule.train_projector = true;
  return rule;
}

double ratio(const Shape& shape, const Rule& rule) {
  return flops_per_token(shape, rule).total() / flops_per_token(shape, preset("bp")).total();
}

TEST(Flops, BackpropagationIsThreeForwards) {
  const Flops f = flops_per_token(small_57m, preset("bp"));
  // Per block: QKV 3 D^2, Out D^2, FC1 and FC2 4 D^2 each; scores and values T D / 2 each, causal.
  const double D = 576, T = 512, V = 51200;
  EXPECT_EQ(f.forward, 2 * (7 * (12 * D * D + T * D) + D * V));
  EXPECT_EQ(f.weight_gradients, 2 * (7 * 12 * D * D + D * V));
  EXPECT_EQ(f.total(), 3 * f.forward);
  EXPECT_EQ(f.feedback, 0);
}

TEST(Flops, RatiosToBackpropagation) {
  struct Case {
    const char* name;
    Rule rule;
    double at_57m, at_509m;
  };
  for (const Case& c : {Case{"dfa", preset("dfa"), 0.968, 0.936},
                        Case{"dfa, embedding none", without_embedding_credit(), 0.963, 0.932},
                        Case{"layer-wise, preprojector", layerwise_preprojector(), 0.848, 0.723},
                        Case{"shallow-projector", shallow_with_projector(), 0.707, 0.455},
                        Case{"shallow", preset("shallow"), 0.541, 0.408},
                        Case{"dfa-canonical", preset("dfa-canonical"), 1.502, 0.905}}) {
    EXPECT_NEAR(ratio(small_57m, c.rule), c.at_57m, 0.0005) << c.name;
    EXPECT_NEAR(ratio(large_509m, c.rule), c.at_509m, 0.0005) << c.name;
  }
}

TEST(Flops, WhatAnOptionCosts) {
  const double D = 576, V = 51200;
  EXPECT_EQ(flops_per_token(small_57m, preset("dfa")).feedback, 2 * D * D);
  EXPECT_EQ(flops_per_token(small_57m, preset("dfa-canonical")).feedback, 2 * 4 * D * V);
  Rule rule = preset("dfa");
  rule.feedback = Feedback::identity;
  EXPECT_EQ(flops_per_token(small_57m, rule).feedback, 0);
  // The embedding's credit by the block is one product dqkv W more.
  EXPECT_EQ(flops_per_token(small_57m, preset("dfa")).total() -
                flops_per_token(small_57m, without_embedding_credit()).total(),
            2 * 3 * D * D);
}

TEST(Flops, OneBlockIsShallow) {
  Shape one = small_57m;
  one.layers = 1;
  EXPECT_EQ(flops_per_token(one, preset("dfa")).total(),
            flops_per_token(one, shallow_with_projector()).total());
}

}  // namespace
}  // namespace dfascale
