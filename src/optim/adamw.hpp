// The optimiser: gradient norms, clipping by groups, AdamW over the table of trained tensors (SPEC
// section 3).
#pragma once

#include <cstdint>
#include <vector>

#include "credit/rule.hpp"
#include "deck/settings.hpp"
#include "kernels/device.hpp"
#include "model/arena.hpp"
#include "model/parameters.hpp"

namespace dfascale {

/// Gradient norms before clipping.
struct GradientNorms {
  double global = 0;
  std::vector<double> groups;  ///< embeddings, blocks 0 .. L-1, final LN and projector
};

class AdamW {
 public:
  AdamW(const ParameterTable& table, const Shape& shape, const Rule& rule,
        const OptimSettings& optim);

  /// Takes moments and working space; called in both passes over the arena.
  void lay_out(Arena& arena);
  void reset(const Device& on);  ///< moments to zero

  /// One step on all trained tensors; `step` counts from 1.  Gradients stay as they are: clipping
  /// scales them on the fly. Throws Error(Exit::numerical) naming the first tensor whose gradient
  /// is not finite, before anything is changed.
  GradientNorms update(const Device& on, Vec values, ConstVec gradients, std::int64_t step,
                       double learning_rate);

  /// Norms of gradients, with the same check.
  GradientNorms measure(const Device& on, ConstVec gradients);

  Vec first_moment() const { return m_; }  ///< as the buffers of trained tensors
  Vec second_moment() const { return v_; }

 private:
  void set_scales(const Device& on, const GradientNorms& norms);

  OptimSettings optim_;
  double block_lr_multiplier_;
  struct Tensor {
    Parameter parameter;
    std::size_t group;
    bool fed_back;
  };
  std::vector<Tensor> tensors_;
  std::size_t groups_;
  Vec m_, v_, scales_;
  Vector<double> squares_;
  std::vector<double> host_squares_;
  std::vector<float> host_scales_;
};

}  // namespace dfascale
