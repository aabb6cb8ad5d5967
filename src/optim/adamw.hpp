// The optimiser: gradient norms, clipping by groups, AdamW over the table of trained tensors (SPEC
// section 3).
#pragma once

#include <cstdint>
#include <vector>

#include "credit/rule.hpp"
#include "deck/settings.hpp"
#include "kernels/adam.hpp"
#include "model/arena.hpp"
#include "model/parameters.hpp"
#include "optim/piece_table.hpp"
#include "optim/shard.hpp"

namespace dfascale {

/// Gradient norms before clipping.
struct GradientNorms {
  double global = 0;
  std::vector<double> groups;  ///< embeddings, blocks 0 .. L-1, final LN and projector
};

class AdamW {
 public:
  /// Updates the tensors that the table's stage holds, or the shard's part of them.
  AdamW(const ParameterTable& table, const Shape& shape, const Rule& rule,
        const OptimSettings& optim, const Shard& shard);

  /// Takes moments and working space; called in both passes over the arena.
  void lay_out(Arena& arena, const Device& on);
  void reset(const Device& on);  ///< moments to zero

  /// Sum of squares of each trained tensor's gradient, in the table's order: of its part in the
  /// shard; of one that is summed everywhere the whole, so that both stages that hold a shared
  /// matrix find the same bits.
  std::vector<double> squares(const Device& on, ConstVec gradients);
  /// Whether the shards' squares of a tensor are to be added up.
  bool is_summed_over_shards(std::size_t tensor) const {
    return !tensors_[tensor].parameter.is_summed_everywhere;
  }
  /// The stage's norms from its tensors' squares; `global` leaves out copies, so that the stages'
  /// squares add up to the model's.  `final_norm` are the squares of final LN where another stage
  /// holds it, for the group of a shared matrix.  Throws Error(Exit::numerical) naming the first
  /// tensor whose gradient is not finite, or unclipped has no square in float.
  GradientNorms norms(const std::vector<double>& squares,
                      const std::vector<double>& final_norm = {}) const;
  /// Throws as `norms` does, of whole tensors, whatever part of them the shard has.
  void check_whole(const Device& on, ConstVec gradients);
  /// Squares of the gradients of final LN's tensors, in the table's order.
  std::vector<double> final_norm_squares(const Device& on, ConstVec gradients);

  /// One step; `step` counts from 1.  Gradients stay as they are: clipping scales them on the fly.
  void update(const Device& on, Vec values, ConstVec gradients, std::int64_t step,
              double learning_rate, const GradientNorms& norms);

  Vec first_moment() const { return m_; }  ///< of the shard
  Vec second_moment() const { return v_; }
  const Shard& shard() const { return shard_; }

 private:
  struct Tensor {
    Parameter parameter;
    std::size_t group;
    bool fed_back;
  };
  std::vector<double> squares_of(const PieceTable& tensors, const Device& on, ConstVec gradients);
  void check(const Tensor& tensor, double square) const;
  float gradient_scale(std::size_t group, const GradientNorms& norms) const;

  OptimSettings optim_;
  double block_lr_multiplier_;
  Shard shard_;
  std::vector<Tensor> tensors_;
  std::size_t groups_;
  PieceTable updated_;                ///< what lies in the shard, counted from its beginning
  PieceTable measured_, final_norm_;  ///< what squares are taken of
  Vec m_, v_;
  Vector<AdamTensor> constants_;
  std::vector<AdamTensor> host_constants_;
  Vector<double> squares_;  ///< of pieces
  std::vector<double> host_squares_;
};

}  // namespace dfascale
