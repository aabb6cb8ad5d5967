// Sums: kernels/reduce.hpp has the equations.
#include "kernels/reduce.hpp"

#include "kernels/launch.hpp"

namespace dfascale {

void sum_of_squares(const Device& on, double* out, ConstVec x) {
  total(
      "sum_of_squares", on, out, x.size, DFASCALE_KERNEL(std::int64_t i) {
        const double value = x(i);
        return value * value;
      });
}

void piece_squares(const Device& on, Vector<double> out, ConstVec x, Pieces pieces) {
  rows(
      "piece_squares", on, pieces.size, DFASCALE_KERNEL(const Row& row) {
        const Piece piece = pieces(row.index);
        const double sum = row_sum(row, piece.size, [&](int c) {
          const double value = x(piece.first + c);
          return value * value;
        });
        once(row, [&] { out(row.index) = sum; });
      });
}

void dot(const Device& on, double* out, ConstVec x, ConstVec y) {
  total(
      "dot", on, out, x.size, DFASCALE_KERNEL(std::int64_t i) {
        return static_cast<double>(x(i)) * static_cast<double>(y(i));
      });
}

void add_sum(const Device& on, double* out, ConstVec x) {
  rows(
      "add_sum", on, 1, DFASCALE_KERNEL(const Row& row) {
        const double sum = row_sum(row, x.size, [&](int i) { return static_cast<double>(x(i)); });
        once(row, [&] { *out += sum; });
      });
}

}  // namespace dfascale
