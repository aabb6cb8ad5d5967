#include "model/head.hpp"

#include <algorithm>

#include "kernels/loss.hpp"
#include "kernels/norm.hpp"

namespace dfascale {
namespace {

// Products with 1,024 rows run near peak speed (512: 86 % of it in the projector); the logits of a
// chunk take 210 MB at V = 51,200.
constexpr std::int64_t chunk_rows = 1024;

template <class Work>
void for_chunks(std::int64_t rows, std::int64_t chunk, Work&& work) {
  for (std::int64_t first = 0; first < rows; first += chunk)
    work(first, std::min(chunk, rows - first));
}

}  // namespace

Head Head::lay_out(Arena& arena, const Shape& s, std::int64_t sequences, Precision precision) {
  const std::int64_t R = sequences * s.context;
  Head head;
  head.shape = s;
  head.normed = arena.stored(precision, R, s.width);
  head.mean = arena.vec(R);
  head.rstd = arena.vec(R);
  head.error = arena.stored(precision, R, s.width);
  head.losses = arena.vec(R);
  head.logits = arena.stored(precision, std::min(chunk_rows, R), s.padded_vocab());
  return head;
}

ConstStored Head::logits_after(const Device& on, Gemm& gemm, ConstMat x, std::int64_t row) const {
  const Stored y = normed.rows_from(row, 1);
  norm_forward(on, y, mean.part(row, 1), rstd.part(row, 1), x.rows_from(row, 1), p.weight, p.bias);
  const Stored first = logits.rows_from(0, 1);
  gemm({.c = first, .a = y, .b = projector, .b_side = Side::turned});
  return first;
}

void Head::evaluate(const Device& on, Gemm& gemm, ConstMat x, Tokens targets) const {
  norm_forward(on, normed, mean, rstd, x, p.weight, p.bias);
  for_chunks(x.rows, logits.rows, [&](std::int64_t first, std::int64_t rows) {
    const Stored chunk = logits.rows_from(0, rows);
    gemm({.c = chunk, .a = normed.rows_from(first, rows), .b = projector, .b_side = Side::turned});
    cross_entropy(on, losses.part(first, rows), chunk, targets.part(first, rows), shape.vocab);
  });
}

void Head::learn(const Device& on, Gemm& gemm, ConstMat x, Tokens targets, float scale,
                 Into weights, const LogitsTap& tap, Mat dx) const {
  norm_forward(on, normed, mean, rstd, x, p.weight, p.bias);
  for_chunks(x.rows, logits.rows, [&](std::int64_t first, std::int64_t rows) {
    const Stored chunk = logits.rows_from(0, rows), y = normed.rows_from(first, rows);
    gemm({.c = chunk, .a = y, .b = projector, .b_side = Side::turned});
    cross_entropy_with_gradient(on, losses.part(first, rows), chunk, targets.part(first, rows),
                                shape.vocab, scale);
    gemm({.c = error.rows_from(first, rows), .a = chunk, .b = projector});
    if (projector_gradient)
      gemm({.c = projector_gradient,
            .a = chunk,
            .a_side = Side::turned,
            .b = y,
            .into = first == 0 ? weights : Into::add});
    if (tap.signals)
      gemm({.c = tap.signals.rows_from(first, rows),
            .a = chunk,
            .b = tap.feedback,
            .b_side = Side::turned});
  });
  norm_backward_params(on, g.weight, g.bias, error, x, mean, rstd);
  norm_backward_input(on, dx, Into::overwrite, error, x, mean, rstd, p.weight);
}

}  // namespace dfascale
