#include "optim/rate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace dfascale {
namespace {

/// Share of the full rate at `progress` in [0, 1] of the budget after warm-up.
using Shape = double (*)(double progress, const OptimSettings& optim);

double constant(double, const OptimSettings&) { return 1; }

double linear(double progress, const OptimSettings& optim) {
  return 1 - (1 - optim.floor) * progress;
}

double cosine(double progress, const OptimSettings& optim) {
  return optim.floor + (1 - optim.floor) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

/// Warm-up, stable, decay: full rate until the last decay_share of the budget, warm-up included,
/// then linear to the floor.
double wsd(double progress, const OptimSettings& optim) {
  const auto budget = static_cast<double>(optim.tokens);
  const double rest = budget - static_cast<double>(optim.warmup_tokens);
  const double share = std::min(1.0, optim.decay_share * budget / rest), start = 1 - share;
  return progress <= start ? 1 : linear((progress - start) / share, optim);
}

// In the order of RateSchedule.
constexpr std::array<Shape, 4> shapes = {cosine, constant, linear, wsd};

}  // namespace

double learning_rate_at(const OptimSettings& optim, std::int64_t step, std::int64_t step_tokens) {
  const double done = static_cast<double>(step) * static_cast<double>(step_tokens);
  const double warmup = static_cast<double>(optim.warmup_tokens);
  const double after_step = done + static_cast<double>(step_tokens);
  if (after_step < warmup) return optim.learning_rate * after_step / warmup;
  const double rest = static_cast<double>(optim.tokens) - warmup;
  const double progress = rest > 0 ? std::clamp((done - warmup) / rest, 0.0, 1.0) : 0.0;
  return optim.learning_rate * shapes[static_cast<std::size_t>(optim.schedule)](progress, optim);
}

}  // namespace dfascale
