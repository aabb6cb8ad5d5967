// What the hardware can do: the yardstick that MFU is measured with (SPEC section 5).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/gemm.hpp"
#include "model/shape.hpp"

namespace dfascale {

/// FLOP/s of one rank, by what was measured.
struct Peak {
  std::int64_t side = 0;  ///< of the large square product
  double square = 0;      ///< the best of it
  double shapes = 0;      ///< best of the step's own products
  double processor = 0;   ///< best of both, by processor time of the first thread
  double best() const { return square > shapes ? square : shapes; }
};

/// Times products of a precision for `seconds` each way and keeps the best repetition: an upper
/// bound that this library reaches here and now.
Peak measure_peak(const Device& on, Gemm& gemm, const Shape& shape,
                  std::int64_t micro_batch_sequences, Precision precision, double seconds);

}  // namespace dfascale
