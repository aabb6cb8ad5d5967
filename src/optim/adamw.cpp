#include "optim/adamw.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"
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
Shard part_in(const Shard& tensor, const Shard& shard) {
  const std::int64_t first = std::max(tensor.first, shard.first),
                     end = std::min(tensor.end, shard.end);
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
    tensors_.push_back({p, clip_group(p, shape, rule), fed_back});
    const Shard whole = {p.trained_offset, p.trained_offset + p.padded_size()};
    const Shard part = part_in(whole, shard);
    updated_.add({part.first - shard.first, part.end - shard.first});
    measured_.add(p.is_summed_everywhere ? whole : part);
    if (p.name.starts_with("final_ln.")) final_norm_.add(whole);
  }
  host_constants_.resize(tensors_.size());
}

void AdamW::lay_out(Arena& arena, const Device& on) {
  const std::int64_t one_if_any = tensors_.empty() ? 0 : 1;
  m_ = arena.vec(shard_.size());
  v_ = arena.vec(shard_.size());
  constants_ = arena.vector<AdamTensor>(static_cast<std::int64_t>(tensors_.size()));
  squares_ = arena.vector<double>(std::max({measured_.size(), final_norm_.size(), one_if_any}));
  if (squares_) host_squares_.resize(static_cast<std::size_t>(squares_.size));
  for (PieceTable* table : {&updated_, &measured_, &final_norm_}) table->lay_out(arena, on);
}

void AdamW::reset(const Device& on) {
  fill(on, m_, 0.0f);
  fill(on, v_, 0.0f);
}

std::vector<double> AdamW::squares_of(const PieceTable& tensors, const Device& on,
                                      ConstVec gradients) {
  piece_squares(on, squares_, gradients, tensors.on_device());
  copy_to_host(on, host_squares_.data(), squares_.data,
               static_cast<std::size_t>(tensors.size()) * sizeof(double));
  return tensors.sums(host_squares_);
}

std::vector<double> AdamW::squares(const Device& on, ConstVec gradients) {
  return squares_of(measured_, on, gradients);
}

std::vector<double> AdamW::final_norm_squares(const Device& on, ConstVec gradients) {
  return squares_of(final_norm_, on, gradients);
}

void AdamW::check(const Tensor& tensor, double square) const {
  const Parameter& p = tensor.parameter;
  const bool is_finite = std::isfinite(square);
  // Unclipped, its squares would be infinite in the second moment, and the tensor stand still.
  const bool is_too_large = optim_.clip == Clip::none && square > std::numeric_limits<float>::max();
  if (is_finite && !is_too_large) return;
  fail(Exit::numerical, "the gradient of {} is {}{}", p.name,
       is_finite ? fmt::format("too large to be squared, {:.2g}", std::sqrt(square)) : "not finite",
       p.block >= 0 && p.block < static_cast<std::int64_t>(groups_) - 2
           ? fmt::format(" (block {})", p.block)
           : "");
}

void AdamW::check_whole(const Device& on, ConstVec gradients) {
  for (const Tensor& tensor : tensors_) {
    const Parameter& p = tensor.parameter;
    sum_of_squares(on, squares_.data, gradients.part(p.trained_offset, p.padded_size()));
    copy_to_host(on, host_squares_.data(), squares_.data, sizeof(double));
    check(tensor, host_squares_.front());
  }
}

GradientNorms AdamW::norms(const std::vector<double>& squares,
                           const std::vector<double>& final_norm) const {
  GradientNorms norms;
  norms.groups.assign(groups_, 0.0);
  double total = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    check(tensors_[i], squares[i]);
    if (!tensors_[i].parameter.is_copy) total += squares[i];
    norms.groups[tensors_[i].group] += squares[i];
  }
  // Last, as where final LN is held: both stages' norms of a shared matrix have the same bits.
  for (const double square : final_norm) norms.groups.back() += square;
  norms.global = std::sqrt(total);
  for (double& norm : norms.groups) norm = std::sqrt(norm);
  return norms;
}

float AdamW::gradient_scale(std::size_t group, const GradientNorms& norms) const {
  const double norm = optim_.clip == Clip::global ? norms.global : norms.groups[group];
  const bool clips = optim_.clip != Clip::none && norm > optim_.clip_norm;
  return clips ? static_cast<float>(optim_.clip_norm / norm) : 1.0f;
}

void AdamW::update(const Device& on, Vec values, ConstVec gradients, std::int64_t step,
                   double learning_rate, const GradientNorms& norms) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = tensors_[i];
    host_constants_[i] = {
        gradient_scale(t.group, norms),
        static_cast<float>(learning_rate * (t.fed_back ? block_lr_multiplier_ : 1.0)),
        t.parameter.dims == 2 ? static_cast<float>(optim_.weight_decay) : 0.0f};
  }
  copy_to_device(on, constants_.data, host_constants_.data(),
                 host_constants_.size() * sizeof(AdamTensor));
  const auto correction = [step](double beta) {
    return static_cast<float>(1 - std::pow(beta, static_cast<double>(step)));
  };
  adamw(on, values.part(shard_.first, shard_.size()), m_, v_,
        gradients.part(shard_.first, shard_.size()), updated_.on_device(), constants_,
        {static_cast<float>(optim_.beta1), static_cast<float>(optim_.beta2),
         static_cast<float>(optim_.eps), correction(optim_.beta1), correction(optim_.beta2)});
}

}  // namespace dfascale
