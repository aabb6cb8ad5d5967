// Element-wise sums and copies, and the gradient of a bias: kernels/residual.hpp has the equations.
#include "kernels/residual.hpp"

#include "kernels/launch.hpp"

namespace dfascale {
namespace residual {

template <class T>
void add(const Device& on, Matrix<T> y, Matrix<const T> a, ConstMat b) {
  rows(
      "add", on, y.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        row_each(row, y.cols, [&](int c) { y(r, c) = a(r, c) + b(r, c); });
      });
}

template <class To, class From>
void convert(const Device& on, Matrix<To> y, Matrix<const From> a, float factor) {
  rows(
      "convert", on, y.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        row_each(row, y.cols, [&](int c) { y(r, c) = factor * a(r, c); });
      });
}

template <class T>
void bias_backward(const Device& on, Vec dbias, Matrix<const T> dy) {
  column_sums(
      "bias_backward", on, dy.rows, dy.cols,
      DFASCALE_KERNEL(std::int64_t r, std::int64_t c)->float { return dy(r, c); },
      DFASCALE_KERNEL(std::int64_t c, float sum) { dbias(c) += sum; });
}

}  // namespace residual

void add(const Device& on, Stored y, ConstStored a, ConstMat b) {
  with_type(y.precision, [&]<class T>(T) { residual::add<T>(on, y.as<T>(), a.as<const T>(), b); });
}

void copy(const Device& on, Vec y, ConstVec a) {
  each(
      "copy", on, y.size, DFASCALE_KERNEL(std::int64_t i) { y(i) = a(i); });
}

void fill(const Device& on, Vec y, float value) {
  each(
      "fill", on, y.size, DFASCALE_KERNEL(std::int64_t i) { y(i) = value; });
}

void scale(const Device& on, Vec y, float factor) {
  each(
      "scale", on, y.size, DFASCALE_KERNEL(std::int64_t i) { y(i) *= factor; });
}

void convert(const Device& on, Stored y, ConstStored a, float factor) {
  with_type(y.precision, [&]<class To>(To) {
    with_type(a.precision, [&]<class From>(From) {
      residual::convert<To, From>(on, y.as<To>(), a.as<const From>(), factor);
    });
  });
}

void bias_backward(const Device& on, Vec dbias, ConstStored dy) {
  with_type(dy.precision,
            [&]<class T>(T) { residual::bias_backward<T>(on, dbias, dy.as<const T>()); });
}

}  // namespace dfascale
