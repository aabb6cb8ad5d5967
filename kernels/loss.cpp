// Softmax cross-entropy: kernels/loss.hpp has the equations.
#include "kernels/loss.hpp"

#include "kernels/launch.hpp"
#include "kernels/math.hpp"

namespace dfascale {
namespace loss {

template <class T>
void forward(const Device& on, Vec losses, Matrix<const T> logits, Tokens targets,
             std::int64_t vocab) {
  rows(
      "cross_entropy", on, logits.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        const float largest = row_max(row, vocab, [&](int c) -> float { return logits(r, c); });
        const float sum = row_sum(
            row, vocab, [&](int c) { return math::exp_of_negative(logits(r, c) - largest); });
        once(row, [&] { losses(r) = ::logf(sum) - (logits(r, targets(r)) - largest); });
      });
}

template <class T>
void with_gradient(const Device& on, Vec losses, Matrix<T> logits, Tokens targets,
                   std::int64_t vocab, float scale) {
  rows(
      "cross_entropy_g", on, logits.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        const int target = targets(r);
        const float target_logit = logits(r, target);  // before any thread overwrites it
        const float largest = row_max(row, vocab, [&](int c) -> float { return logits(r, c); });
        const float sum = row_sum(row, vocab, [&](int c) {
          const float e = math::exp_of_negative(logits(r, c) - largest);
          logits(r, c) = e;
          return e;
        });
        const float factor = scale / sum;
        row_each(row, vocab, [&](int c) {
          logits(r, c) = logits(r, c) * factor - (c == target ? scale : 0.0f);
        });
        row_each(row, logits.cols - vocab, [&](int c) { logits(r, vocab + c) = 0.0f; });
        once(row, [&] { losses(r) = ::logf(sum) - (target_logit - largest); });
      });
}

}  // namespace loss

void cross_entropy(const Device& on, Vec losses, ConstStored logits, Tokens targets,
                   std::int64_t vocab) {
  with_type(logits.precision, [&]<class T>(T) {
    loss::forward<T>(on, losses, logits.as<const T>(), targets, vocab);
  });
}

void cross_entropy_with_gradient(const Device& on, Vec losses, Stored logits, Tokens targets,
                                 std::int64_t vocab, float scale) {
  with_type(logits.precision, [&]<class T>(T) {
    loss::with_gradient<T>(on, losses, logits.as<T>(), targets, vocab, scale);
  });
}

}  // namespace dfascale
