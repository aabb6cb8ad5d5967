#include "optim/adamw.hpp"

#include <algorithm>
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

/// What of a tensor lies in the shard; empty if nothing does.
Shard part_in(const Parameter& p, const Shard& shard) {
  const std::int64_t first = std::max(p.trained_offset, shard.first),
                     end = std::min(p.trained_offset + p.padded_size(), shard.end);
  return {first, std::max(first, end)};
}

}  // namespace

AdamW::AdamW(const ParameterTable& table, const Shape& shape, const Rule& rule,
             const OptimSettings& optim, const Shard& shard)
    : optim_(optim),
      block_lr_multiplier_(rule.block_lr_multiplier),
      shard_(shard),
      groups_(static_cast<std::size_t>(shape.layers) + 2) {
  for (const Parameter& p : table.all()) {
    if (p.trained_offset < 0) continue;
    const bool fed_back =
        rule.inner == Credit::direct && p.block >= 0 && p.block < shape.layers - 1;
    tensors_.push_back({p, clip_group(p, shape, rule), fed_back, part_in(p, shard)});
  }
  host_scales_.resize(groups_);
}

void AdamW::lay_out(Arena& arena) {
  m_ = arena.vec(shard_.size());
  v_ = arena.vec(shard_.size());
  scales_ = arena.vec(static_cast<std::int64_t>(groups_));
  squares_ = arena.vector<double>(static_cast<std::int64_t>(tensors_.size()));
}

void AdamW::reset(const Device& on) {
  fill(on, m_, 0.0f);
  fill(on, v_, 0.0f);
}

std::vector<double> AdamW::squares(const Device& on, ConstVec gradients) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = tensors_[i];
    const ConstVec all = vector_of(t.parameter, Buffer::trained, gradients);
    const ConstVec part = gradients.part(t.part.first, t.part.size());
    sum_of_squares(on, squares_.data + i, t.parameter.is_summed_everywhere ? all : part);
  }
  std::vector<double> host(tensors_.size());
  copy_to_host(on, host.data(), squares_.data, host.size() * sizeof(double));
  return host;
}

GradientNorms AdamW::norms(const std::vector<double>& squares,
                           const std::vector<double>& final_norm) const {
  GradientNorms norms;
  norms.groups.assign(groups_, 0.0);
  double total = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Parameter& p = tensors_[i].parameter;
    if (!std::isfinite(squares[i]))
      fail(Exit::numerical, "the gradient of {} is not finite{}", p.name,
           p.block >= 0 && p.block < static_cast<std::int64_t>(groups_) - 2
               ? fmt::format(" (block {})", p.block)
               : "");
    if (!p.is_copy) total += squares[i];
    norms.groups[tensors_[i].group] += squares[i];
  }
  // Last, as where final LN is held: both stages' norms of a shared matrix have the same bits.
  for (const double square : final_norm) norms.groups.back() += square;
  norms.global = std::sqrt(total);
  for (double& norm : norms.groups) norm = std::sqrt(norm);
  return norms;
}

std::vector<double> AdamW::final_norm_squares(const Device& on, ConstVec gradients) {
  std::vector<double> found;
  for (const Tensor& t : tensors_) {
    if (!t.parameter.name.starts_with("final_ln.")) continue;
    sum_of_squares(on, squares_.data, vector_of(t.parameter, Buffer::trained, gradients));
    copy_to_host(on, &found.emplace_back(), squares_.data, sizeof(double));
  }
  return found;
}

void AdamW::set_scales(const Device& on, const GradientNorms& norms) {
  for (std::size_t group = 0; group < groups_; ++group) {
    const double norm = optim_.clip == Clip::global ? norms.global : norms.groups[group];
    const bool clips = optim_.clip != Clip::none && norm > optim_.clip_norm;
    host_scales_[group] = clips ? static_cast<float>(optim_.clip_norm / norm) : 1.0f;
  }
  copy_to_device(on, scales_.data, host_scales_.data(), host_scales_.size() * sizeof(float));
}

void AdamW::update(const Device& on, Vec values, ConstVec gradients, std::int64_t step,
                   double learning_rate, const GradientNorms& norms) {
  set_scales(on, norms);
  AdamStep adam{};
  adam.beta1 = static_cast<float>(optim_.beta1);
  adam.beta2 = static_cast<float>(optim_.beta2);
  adam.eps = static_cast<float>(optim_.eps);
  adam.correction1 = static_cast<float>(1 - std::pow(optim_.beta1, static_cast<double>(step)));
  adam.correction2 = static_cast<float>(1 - std::pow(optim_.beta2, static_cast<double>(step)));
  for (const Tensor& t : tensors_) {
    if (t.part.size() == 0) continue;
    adam.learning_rate =
        static_cast<float>(learning_rate * (t.fed_back ? block_lr_multiplier_ : 1.0));
    adam.decay = t.parameter.dims == 2 ? static_cast<float>(optim_.weight_decay) : 0.0f;
    const std::int64_t at = t.part.first, size = t.part.size(), own = at - shard_.first;
    adamw(on, values.part(at, size), m_.part(own, size), v_.part(own, size),
          gradients.part(at, size), scales_.data + t.group, adam);
  }
}

}  // namespace dfascale
