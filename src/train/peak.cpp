#include "train/peak.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "kernels/residual.hpp"
#include "model/arena.hpp"

namespace dfascale {
namespace {

/// C (m, n) = A (m, k) B (k, n), or with B turned: B (n, k).
struct Size {
  std::int64_t m, n, k;
  Side b_side;
};

/// A core is busy with less than a GPU is.
std::int64_t square_side() { return device_memory_is_host() ? 2048 : 8192; }

/// The linears of a block, forward, and a chunk of the projector.
std::vector<Size> step_sizes(const Shape& s, std::int64_t sequences) {
  const std::int64_t R = sequences * s.context, D = s.width;
  return {{R, 3 * D, D, Side::turned},
          {R, 4 * D, D, Side::turned},
          {R, D, 4 * D, Side::turned},
          {R, D, 4 * D, Side::plain},
          {std::min<std::int64_t>(R, 512), std::min<std::int64_t>(s.padded_vocab(), 8192), D,
           Side::turned}};
}

struct Rates {
  double wall = 0, processor = 0;
};

/// The best FLOP/s over repetitions of at least `seconds` in all.
Rates best_rates(const Device& on, Gemm& gemm, const Size& size, Precision precision,
                 double seconds) {
  Arena arena;
  const auto matrix = [&](std::int64_t rows, std::int64_t cols) {
    return arena.stored(precision, rows, cols);
  };
  const auto lay_out = [&] {
    struct {
      Stored c, a, b;
      Vec row;
    } made{matrix(size.m, size.n), matrix(size.m, size.k),
           size.b_side == Side::plain ? matrix(size.k, size.n) : matrix(size.n, size.k),
           arena.vec(std::max(size.k, size.n))};
    return made;
  };
  lay_out();
  arena.commit();
  const auto [c, a, b, row] = lay_out();
  fill(on, row, 0.5f);
  for (const Stored& m : {a, b}) convert(on, m, ConstMat(row.data, m.rows, m.cols, 0));
  const Product product{.c = c, .a = a, .b = b, .b_side = size.b_side};
  gemm(product);
  fence(on);
  const double flop =
      2.0 * static_cast<double>(size.m) * static_cast<double>(size.n) * static_cast<double>(size.k);
  Rates best;
  const double end = seconds_now() + seconds;
  do {
    const double start = seconds_now(), processor_start = processor_seconds_now();
    gemm(product);
    fence(on);
    best.processor = std::max(best.processor, flop / (processor_seconds_now() - processor_start));
    best.wall = std::max(best.wall, flop / (seconds_now() - start));
  } while (seconds_now() < end);
  return best;
}

}  // namespace

Peak measure_peak(const Device& on, Gemm& gemm, const Shape& shape,
                  std::int64_t micro_batch_sequences, Precision precision, double seconds) {
  Peak peak;
  const auto take = [&](double& best, const Size& size, double share) {
    const Rates rates = best_rates(on, gemm, size, precision, share);
    best = std::max(best, rates.wall);
    peak.processor = std::max(peak.processor, rates.processor);
  };
  peak.side = square_side();
  take(peak.square, {peak.side, peak.side, peak.side, Side::plain}, seconds);
  const std::vector<Size> sizes = step_sizes(shape, micro_batch_sequences);
  for (const Size& size : sizes)
    take(peak.shapes, size, seconds / static_cast<double>(sizes.size()));
  return peak;
}

}  // namespace dfascale
