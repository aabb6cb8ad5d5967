#include "optim/adamw.hpp"

#include <cmath>

#include "base/error.hpp"
#include "kernels/adam.hpp"
#include "kernels/reduce.hpp"
#include "kernels/residual.hpp"

namespace dfascale {
namespace {

/// Clipping groups: 0 the embeddings, 1 + l block l, L + 1 final LN and projector.  A tied matrix
/// that the projector trains belongs to the projector's group.
std::size_t clip_group(const Parameter& p, const Shape& shape, const Rule& rule) {
  if (p.name == "token_embedding.weight" && shape.tied && rule.train_projector)
    return static_cast<std::size_t>(shape.layers) + 1;
  return static_cast<std::size_t>(p.block + 1);
}

}  // namespace

AdamW::AdamW(const ParameterTable& table, const Shape& shape, const Rule& rule,
             const OptimSettings& optim)
    : optim_(optim),
      block_lr_multiplier_(rule.block_lr_multiplier),
      groups_(static_cast<std::size_t>(shape.layers) + 2) {
  for (const Parameter& p : table.all()) {
    if (!p.trained) continue;
    const bool fed_back =
        rule.inner == Credit::direct && p.block >= 0 && p.block < shape.layers - 1;
    tensors_.push_back({p, clip_group(p, shape, rule), fed_back});
  }
  host_squares_.resize(tensors_.size());
  host_scales_.resize(groups_);
}

void AdamW::lay_out(Arena& arena) {
  const Parameter& last = tensors_.back().parameter;
  const std::int64_t size = last.trained_offset + last.padded_size();
  m_ = arena.vec(size);
  v_ = arena.vec(size);
  scales_ = arena.vec(static_cast<std::int64_t>(groups_));
  squares_ = arena.vector<double>(static_cast<std::int64_t>(tensors_.size()));
}

void AdamW::reset(const Device& on) {
  fill(on, m_, 0.0f);
  fill(on, v_, 0.0f);
}

GradientNorms AdamW::measure(const Device& on, ConstVec gradients) {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    sum_of_squares(on, squares_.data + i,
                   vector_of(tensors_[i].parameter, Buffer::trained, gradients));
  copy_to_host(on, host_squares_.data(), squares_.data, host_squares_.size() * sizeof(double));
  GradientNorms norms;
  norms.groups.assign(groups_, 0.0);
  double total = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (!std::isfinite(host_squares_[i])) {
      const Parameter& p = tensors_[i].parameter;
      fail(Exit::numerical, "the gradient of {} is not finite{}", p.name,
           p.block >= 0 && p.block < static_cast<std::int64_t>(groups_) - 2
               ? fmt::format(" (block {})", p.block)
               : "");
    }
    total += host_squares_[i];
    norms.groups[tensors_[i].group] += host_squares_[i];
  }
  norms.global = std::sqrt(total);
  for (double& norm : norms.groups) norm = std::sqrt(norm);
  return norms;
}

void AdamW::set_scales(const Device& on, const GradientNorms& norms) {
  for (std::size_t group = 0; group < groups_; ++group) {
    const double norm = optim_.clip == Clip::global ? norms.global : norms.groups[group];
    const bool clips = optim_.clip != Clip::none && norm > optim_.clip_norm;
    host_scales_[group] = clips ? static_cast<float>(optim_.clip_norm / norm) : 1.0f;
  }
  copy_to_device(on, scales_.data, host_scales_.data(), host_scales_.size() * sizeof(float));
}

GradientNorms AdamW::update(const Device& on, Vec values, ConstVec gradients, std::int64_t step,
                            double learning_rate) {
  GradientNorms norms = measure(on, gradients);
  set_scales(on, norms);
  AdamStep adam{};
  adam.beta1 = static_cast<float>(optim_.beta1);
  adam.beta2 = static_cast<float>(optim_.beta2);
  adam.eps = static_cast<float>(optim_.eps);
  adam.correction1 = static_cast<float>(1 - std::pow(optim_.beta1, static_cast<double>(step)));
  adam.correction2 = static_cast<float>(1 - std::pow(optim_.beta2, static_cast<double>(step)));
  for (const Tensor& t : tensors_) {
    adam.learning_rate =
        static_cast<float>(learning_rate * (t.fed_back ? block_lr_multiplier_ : 1.0));
    adam.decay = t.parameter.dims == 2 ? static_cast<float>(optim_.weight_decay) : 0.0f;
    adamw(on, vector_of(t.parameter, Buffer::values, values),
          vector_of(t.parameter, Buffer::trained, m_), vector_of(t.parameter, Buffer::trained, v_),
          vector_of(t.parameter, Buffer::trained, gradients), scales_.data + t.group, adam);
  }
  return norms;
}

}  // namespace dfascale
