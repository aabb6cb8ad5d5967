#include "credit/backward.hpp"

#include "credit/feedback.hpp"

namespace dfascale {
namespace {

/// Backpropagation: the signal at a block's output is what the block above returns; `signal` holds
/// it throughout.
void learn_by_chain(Stage& s) {
  for (std::int64_t l = s.shape.layers - 2; l >= 0; --l)
    s.blocks[static_cast<std::size_t>(l)].learn(s.on, s.gemm, s.signal, s.signal, s.rule.residual,
                                                s.rule.derivative);
}

/// Direct feedback: F e at every block's output, or its rows at every layer's; no block waits for
/// another.
void learn_by_feedback(Stage& s) {
  if (s.rule.error == ErrorTap::preprojector)
    s.feedback->apply(s.on, s.gemm, s.fed_back, s.head.error);
  for (std::int64_t l = 0; l < s.shape.layers - 1; ++l) {
    const Block& block = s.blocks[static_cast<std::size_t>(l)];
    const Mat dx = passes_down(s.rule, l, s.shape.layers) ? s.signal : Mat{};
    if (learns_by_layer(s.rule, l, s.shape.layers))
      block.learn_layers(s.on, s.gemm, s.fed_back, s.rule.derivative);
    else block.learn(s.on, s.gemm, s.fed_back, dx, s.rule.residual, s.rule.derivative);
  }
}

}  // namespace

void backward(Stage& s, float scale) {
  const std::int64_t L = s.shape.layers;
  const bool feeds_back = s.rule.inner == Credit::direct && L > 1;
  const LogitsTap tap = feeds_back && s.rule.error == ErrorTap::logits
                            ? LogitsTap{s.feedback->matrix(), s.fed_back}
                            : LogitsTap{};
  s.head.learn(s.on, s.gemm, s.micro_batch.targets(), scale, tap, s.signal);

  // The last block gets its true gradient under every rule; only the chain, or an embedding below
  // it, uses what it passes down.
  const Mat below_last = s.rule.inner == Credit::chain ? s.signal : Mat{};
  s.blocks.back().learn(s.on, s.gemm, s.signal, below_last, Residual::vanilla, Derivative::exact);
  if (s.rule.inner == Credit::chain) learn_by_chain(s);
  if (feeds_back) learn_by_feedback(s);

  if (!trains_embedding(s.rule, L)) return;
  s.learn_embedding(s.rule.embedding == EmbeddingCredit::direct
                        ? ConstMat(s.fed_back.cols_from(0, s.shape.width))
                        : ConstMat(s.signal));
}

}  // namespace dfascale
