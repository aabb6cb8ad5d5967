// The fixed random matrix F of direct feedback alignment: drawn once from the seed, shared by all
// blocks (SPEC section 2).
#pragma once

#include <cstdint>
#include <vector>

#include "credit/rule.hpp"
#include "kernels/device.hpp"
#include "kernels/gemm.hpp"
#include "model/arena.hpp"
#include "model/shape.hpp"
#include "model/stage_range.hpp"

namespace dfascale {

/// F (w, E): w = D rows for block granularity, 4D for layers; E = D, or V padded with zero columns.
/// No rows if the rule feeds nothing back.  Identity feedback stores nothing: F e is e.
class FeedbackMatrix {
 public:
  /// Only the stage with the head feeds back; elsewhere the matrix is empty.
  FeedbackMatrix(const Shape& shape, const Rule& rule, const StageRange& range,
                 Precision precision);

  /// Takes its memory; called in both passes over the arena.
  void lay_out(Arena& arena);
  /// Fills F from the seed: N(0, 1/E) or orthogonal, times feedback_scale.
  void draw(const Device& on, std::uint64_t seed);
  /// Fills F from a golden file's full matrix, row-major with `cols` = E unpadded; the first rows
  /// are used.
  void assign(const Device& on, const std::vector<float>& full, std::int64_t cols);

  /// signals (R, w) = e F^T, for e (R, D) = the preprojector error.
  void apply(const Device& on, Gemm& gemm, Stored signals, ConstStored error) const;

  ConstStored matrix() const { return matrix_; }
  std::int64_t rows() const { return rows_; }
  /// Of the values of F before they are rounded to the precision: a restart that would draw another
  /// matrix is noticed.
  std::uint64_t checksum() const { return checksum_; }

 private:
  void upload(const Device& on, const std::vector<float>& values);

  Rule rule_;
  std::int64_t rows_ = 0, cols_ = 0, padded_cols_ = 0;
  Precision precision_;
  Stored matrix_;
  std::uint64_t checksum_ = 0;
};

}  // namespace dfascale
