// A small model with everything it needs to take gradients and steps, on fixed random tokens.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "credit/backward.hpp"
#include "kernels/device.hpp"
#include "kernels/gemm.hpp"
#include "kernels/random.hpp"
#include "kernels/residual.hpp"
#include "tests/support/files.hpp"
#include "train/learner.hpp"

namespace dfascale::test {

inline const Rule& preset(std::string_view name) {
  for (const Rule& rule : rules)
    if (rule.name == name) return rule;
  throw std::invalid_argument(std::string(name));
}

inline OptimSettings plain_adamw() {
  OptimSettings optim{};
  optim.learning_rate = 1e-3;
  optim.beta1 = 0.9;
  optim.beta2 = 0.95;
  optim.eps = 1e-8;
  optim.weight_decay = 0.1;
  optim.clip = Clip::global;
  optim.clip_norm = 1;
  return optim;
}

/// What run.offload may be.
inline std::string elsewhere() { return device_memory_is_host() ? process_folder() : "host"; }

class SmallModel {
 public:
  SmallModel(const Shape& shape, const Rule& rule, std::int64_t sequences, double init_std,
             const OptimSettings& optim = plain_adamw(), Products by = Products::library,
             Recompute level = Recompute::nothing)
      : gemm_(on_, by), shape_(shape), sequences_(sequences) {
    StageLayout layout = whole_model_layout(shape, sequences, optim.precision);
    for (std::int64_t l = 0; l < shape.layers; ++l) {
      layout.dropped.push_back(parts_dropped(rule, shape, l, level));
      layout.sent.push_back(parts_sent(rule, shape, l, level));
    }
    learner_ = make_in<Learner>(arena_, on_, gemm_, shape, rule, optim, layout);
    open_store();
    learner_->initialise_parameters(seed, init_std);
    learner_->draw_feedback(seed);
    learner_->reset_moments();
    draw_tokens();
  }

  Learner& learner() { return *learner_; }
  const Device& on() const { return on_; }
  std::int64_t tokens() const { return sequences_ * shape_.context; }

  /// Mean loss, in nats.
  double loss() {
    learner_->taker().begin_evaluation();
    learner_->taker().evaluate(view(inputs_), view(targets_), sequences_);
    return learner_->taker().loss_sum() / static_cast<double>(tokens());
  }
  /// Gradients of the mean loss under the rule, whatever was in their place before.
  void take_gradients() {
    fill(on_, learner_->gradients(), std::numeric_limits<float>::quiet_NaN());
    learner_->taker().begin();
    learner_->taker().learn(view(inputs_), view(targets_), 1 / static_cast<float>(tokens()));
  }

  std::vector<float> gradient(const Parameter& p) {
    return download(on_, p, Buffer::trained, learner_->gradients());
  }
  std::vector<float> values(const Parameter& p) {
    return download(on_, p, Buffer::values, learner_->values());
  }
  void set_values(const Parameter& p, const std::vector<float>& values) {
    upload(on_, p, Buffer::values, learner_->values(), values.data());
  }

 private:
  static constexpr std::uint64_t seed = 11;

  static Tokens view(const std::vector<std::int32_t>& tokens) {
    return {tokens.data(), static_cast<std::int64_t>(tokens.size())};
  }
  void open_store() {
    const std::int64_t bytes = learner_->taker().stage().offload.stored_bytes();
    if (bytes == 0) return;
    store_ = std::make_unique<ActivationStore>(on_, elsewhere(), bytes);
    learner_->taker().connect(*store_, 0);
  }
  void draw_tokens() {
    std::uint32_t state = 1;
    for (std::int64_t i = 0; i < 2 * tokens(); ++i) {
      state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator
      const auto token = static_cast<std::int32_t>((state >> 8) % shape_.vocab);
      (i < tokens() ? inputs_ : targets_).push_back(token);
    }
  }

  Device on_;
  Gemm gemm_;
  Arena arena_;
  Shape shape_;
  std::int64_t sequences_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<ActivationStore> store_;
  std::vector<std::int32_t> inputs_, targets_;
};

}  // namespace dfascale::test
