// Credit-assignment rules as data (SPEC section 2).  A rule says only where the gradient at a
// block's output comes from; which gradients exist, what is stored, reduced and sent follows from
// it.
#pragma once

#include <array>
#include <string_view>

#include "kernels/activation.hpp"

namespace dfascale {

/// Where the gradient at the output of a block below the last comes from.
enum class Credit {
  chain,   ///< from the block above: backpropagation
  direct,  ///< F e: the tapped error through a fixed random matrix
  none,    ///< nowhere: the block is not trained
};
/// Which error is tapped: e = dloss/d(final LN output), D wide, or e = dloss/dlogits, V wide.
enum class ErrorTap { none, preprojector, logits };
/// Direct feedback at each block's output (plain backpropagation inside), or at every layer's
/// output.
enum class Granularity { block, layer };
/// Whether the skip paths of fed-back blocks carry gradient.
enum class Residual { vanilla, asymmetric };
/// The gradient at x0: from block 0's own backward, F[:D] e, or none.  `chain` is
/// backpropagation's.
enum class EmbeddingCredit { chain, block, direct, none };
/// How the feedback matrix is drawn.
enum class Feedback { gaussian, orthogonal, identity };

/// Every option of SPEC section 2.  The last block, final LN and projector always get their true
/// gradient.
struct Rule {
  std::string_view name;  ///< preset in the deck: rule.name
  Credit inner;
  ErrorTap error;
  Granularity granularity;
  Residual residual;
  Derivative derivative;
  EmbeddingCredit embedding;
  bool train_projector;
  Feedback feedback = Feedback::gaussian;
  double feedback_scale = 1;
  double block_lr_multiplier = 1;
};

// clang-format off
inline constexpr std::array rules = {
  Rule{"bp",            Credit::chain,  ErrorTap::none,         Granularity::block, Residual::vanilla,    Derivative::exact, EmbeddingCredit::chain,  true},
  Rule{"dfa",           Credit::direct, ErrorTap::preprojector, Granularity::block, Residual::asymmetric, Derivative::tanh,  EmbeddingCredit::block,  true},
  Rule{"dfa-canonical", Credit::direct, ErrorTap::logits,       Granularity::layer, Residual::vanilla,    Derivative::exact, EmbeddingCredit::direct, true},
  Rule{"shallow",       Credit::none,   ErrorTap::none,         Granularity::block, Residual::vanilla,    Derivative::exact, EmbeddingCredit::none,   false},
};
// clang-format on

/// What a rule trains in a model of `layers` blocks: these are the parameters that have gradients,
/// moments and decay.
inline bool trains_block(const Rule& rule, std::int64_t block, std::int64_t layers) {
  return block == layers - 1 || rule.inner != Credit::none;
}
/// With one block nothing is fed back and its input gradient is discarded: only backpropagation
/// reaches the embeddings.
inline bool trains_embedding(const Rule& rule, std::int64_t layers) {
  return rule.embedding == EmbeddingCredit::chain ||
         (rule.embedding != EmbeddingCredit::none && layers > 1);
}

}  // namespace dfascale
