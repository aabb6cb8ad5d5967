// When things happen that do not happen every step.
#pragma once

#include <cstdint>
#include <vector>

namespace dfascale {

/// Steps after which the validation loss is taken: about `points` of them, equally spaced in the
/// logarithm from the first step to the last, both included; ascending, each once (SPEC section 4).
std::vector<std::int64_t> validation_steps(std::int64_t steps, std::int64_t points);

/// After step `step` (from 1), every `every` steps; never for 0.
inline bool due(std::int64_t every, std::int64_t step) { return every > 0 && step % every == 0; }

}  // namespace dfascale
