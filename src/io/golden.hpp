// Golden files: loss, gradients and optimiser steps of an independent reference in float64, for
// every variant in the file (SPEC section 11).  Reads both kinds, gradients and loss curves, and
// assumes neither sizes nor which variants there are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dfascale {

using GoldenTensors = std::map<std::string, std::vector<double>>;  ///< by parameter name, row-major

struct GoldenMatrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<float> values;
};

/// Cosines with backpropagation's gradient; NaN where one of the two is zero.
struct GoldenAlignment {
  std::vector<double> per_parameter, per_block;
  double overall = 0;
};

/// Parameters after AdamW steps on the one batch.
struct GoldenSteps {
  double grad_clip = 0;  ///< 0: off
  GoldenTensors params;
  std::vector<double> loss;       ///< [steps + 1], before each step and after the last
  std::vector<double> grad_norm;  ///< [steps], before clipping
};

/// One training step after another: before the update of that step.
struct GoldenCurve {
  double grad_clip = 0;
  std::vector<double> loss, grad_norm;                  ///< [steps], float64
  std::vector<double> loss_float32, grad_norm_float32;  ///< the same run by another float32 program
  std::vector<std::int32_t> alignment_step;             ///< [K]
  std::vector<double> alignment_per_block;              ///< (K, layers)
};

struct GoldenVariant {
  std::string name;
  /// rule, error, granularity, residual, act, embedding, feedback, train_projector ("0" or "1"),
  /// "-" without meaning; every other text or integer attribute too.
  std::map<std::string, std::string> options;
  std::vector<std::int32_t> trained;  ///< 1: updated; the order of parameter_names
  // ---- gradient files
  double loss = 0, grad_norm = 0;
  GoldenTensors grads;
  std::vector<double> error;  ///< (B, T, E), E = width or vocab; empty: none
  std::int64_t error_width = 0;
  GoldenAlignment alignment;
  std::optional<GoldenSteps> after3, after3_clip;
  // ---- curve files
  std::optional<GoldenCurve> curve;

  /// The option's text; an error naming the variant if the file lacks it.
  const std::string& option(const std::string& key) const;
};

struct Golden {
  std::string path;
  std::int64_t layers = 0, width = 0, heads = 0, vocab = 0, context = 0, batch = 0, seed = 0;
  bool tied = false;
  double layer_norm_eps = 0, learning_rate = 0, beta1 = 0, beta2 = 0, adam_eps = 0,
         weight_decay = 0;
  std::int64_t mantissa_bits = 52;
  std::int64_t steps = 0;                    ///< of a curve file; 0: a gradient file
  std::vector<std::string> parameter_names;  ///< canonical order
  std::map<std::string, std::vector<std::int64_t>> shapes;
  std::map<std::string, std::vector<float>> params;
  std::map<std::string, GoldenMatrix> feedback;  ///< "preprojector" (4D, D), "logits" (4D, V)
  std::vector<std::int32_t> tokens;              ///< (B, T+1), of a curve (steps, B, T+1)
  std::vector<double> hidden;                    ///< forward/x (L+1, B, T, D); empty: not in file
  std::vector<double> final_ln_output, logits;   ///< (B, T, D), (B, T, V)
  std::vector<GoldenVariant> variants;           ///< alphabetical
};

/// Throws Error(Exit::data) naming the file and the path inside it.
Golden read_golden(const std::string& path);

}  // namespace dfascale
