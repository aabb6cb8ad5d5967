// Layer normalisation: kernels/norm.hpp has the equations.
#include "kernels/norm.hpp"

#include "kernels/launch.hpp"

namespace dfascale {
namespace norm {

template <class T>
void forward(const Device& on, Matrix<T> y, Vec mean, Vec rstd, ConstMat x, ConstVec gain,
             ConstVec shift) {
  const std::int64_t cols = x.cols;
  const float inverse = 1.0f / static_cast<float>(cols);
  rows(
      "norm_forward", on, x.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        const float mu = row_sum(row, cols, [&](int c) { return x(r, c); }) * inverse;
        const float variance = row_sum(row, cols,
                                       [&](int c) {
                                         const float d = x(r, c) - mu;
                                         return d * d;
                                       }) *
                               inverse;
        const float scale = 1.0f / ::sqrtf(variance + layer_norm_eps);
        row_each(row, cols, [&](int c) { y(r, c) = (x(r, c) - mu) * scale * gain(c) + shift(c); });
        once(row, [&] {
          mean(r) = mu;
          rstd(r) = scale;
        });
      });
}

template <class T>
void backward_input(const Device& on, Mat dx, Into into, Matrix<const T> dy, ConstMat x,
                    ConstVec mean, ConstVec rstd, ConstVec gain) {
  const std::int64_t cols = x.cols;
  const float inverse = 1.0f / static_cast<float>(cols);
  rows(
      "norm_backward", on, x.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        const float mu = mean(r), scale = rstd(r);
        const float mean_g =
            row_sum(row, cols, [&](int c) { return dy(r, c) * gain(c); }) * inverse;
        const float mean_gx =
            row_sum(row, cols,
                    [&](int c) { return dy(r, c) * gain(c) * ((x(r, c) - mu) * scale); }) *
            inverse;
        const auto value = [&](int c) {
          return scale * (dy(r, c) * gain(c) - mean_g - (x(r, c) - mu) * scale * mean_gx);
        };
        if (into == Into::add) {
          row_each(row, cols, [&](int c) { dx(r, c) += value(c); });
        } else {
          row_each(row, cols, [&](int c) { dx(r, c) = value(c); });
        }
      });
}

template <class T>
void backward_params(const Device& on, Vec dgain, Vec dshift, Matrix<const T> dy, ConstMat x,
                     ConstVec mean, ConstVec rstd) {
  column_sums(
      "norm_gain", on, x.rows, x.cols,
      DFASCALE_KERNEL(std::int64_t r, std::int64_t c) {
        return dy(r, c) * ((x(r, c) - mean(r)) * rstd(r));
      },
      DFASCALE_KERNEL(std::int64_t c, float sum) { dgain(c) += sum; });
  column_sums(
      "norm_shift", on, dy.rows, dy.cols,
      DFASCALE_KERNEL(std::int64_t r, std::int64_t c)->float { return dy(r, c); },
      DFASCALE_KERNEL(std::int64_t c, float sum) { dshift(c) += sum; });
}

template <class T>
void normalize(const Device& on, Matrix<T> xhat, ConstMat x, ConstVec mean, ConstVec rstd) {
  const std::int64_t cols = x.cols;
  rows(
      "normalize", on, x.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        const float mu = mean(r), scale = rstd(r);
        row_each(row, cols, [&](int c) { xhat(r, c) = (x(r, c) - mu) * scale; });
      });
}

template <class T>
void linear_backward_params(const Device& on, const NormLinearGradients& g, Into into,
                            ConstMat product, ConstVec column_sums_of_dq, const NormLinearParams& p,
                            Matrix<const T> weight) {
  const Mat dweight = g.weight;
  const Vec dbias = g.bias, dgain = g.gain, dshift = g.shift;
  const ConstVec gain = p.gain, shift = p.shift, dq = column_sums_of_dq;
  const std::int64_t cols = product.cols;
  rows(
      "norm_fold_dw", on, product.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t j = row.index;
        const float sum = dq(j);
        const auto value = [&](int c) { return product(j, c) * gain(c) + sum * shift(c); };
        if (into == Into::add) {
          row_each(row, cols, [&](int c) { dweight(j, c) += value(c); });
        } else {
          row_each(row, cols, [&](int c) { dweight(j, c) = value(c); });
        }
        once(row, [&] { dbias(j) += sum; });
      });
  column_sums(
      "norm_fold_dg", on, product.rows, cols,
      DFASCALE_KERNEL(std::int64_t j, std::int64_t c) { return weight(j, c) * product(j, c); },
      DFASCALE_KERNEL(std::int64_t c, float sum) { dgain(c) += sum; });
  column_sums(
      "norm_fold_ds", on, product.rows, cols,
      DFASCALE_KERNEL(std::int64_t j, std::int64_t c) { return weight(j, c) * dq(j); },
      DFASCALE_KERNEL(std::int64_t c, float sum) { dshift(c) += sum; });
}

}  // namespace norm

void norm_forward(const Device& on, Stored y, Vec mean, Vec rstd, ConstMat x, ConstVec gain,
                  ConstVec shift) {
  with_type(y.precision,
            [&]<class T>(T) { norm::forward<T>(on, y.as<T>(), mean, rstd, x, gain, shift); });
}

void norm_backward_input(const Device& on, Mat dx, Into into, ConstStored dy, ConstMat x,
                         ConstVec mean, ConstVec rstd, ConstVec gain) {
  with_type(dy.precision, [&]<class T>(T) {
    norm::backward_input<T>(on, dx, into, dy.as<const T>(), x, mean, rstd, gain);
  });
}

void norm_backward_params(const Device& on, Vec dgain, Vec dshift, ConstStored dy, ConstMat x,
                          ConstVec mean, ConstVec rstd) {
  with_type(dy.precision, [&]<class T>(T) {
    norm::backward_params<T>(on, dgain, dshift, dy.as<const T>(), x, mean, rstd);
  });
}

void normalize(const Device& on, Stored xhat, ConstMat x, ConstVec mean, ConstVec rstd) {
  with_type(xhat.precision,
            [&]<class T>(T) { norm::normalize<T>(on, xhat.as<T>(), x, mean, rstd); });
}

void norm_linear_backward_params(const Device& on, const NormLinearGradients& g, Into weight,
                                 ConstMat product, ConstVec column_sums_of_dq,
                                 const NormLinearParams& p) {
  with_type(p.weight.precision, [&]<class T>(T) {
    norm::linear_backward_params<T>(on, g, weight, product, column_sums_of_dq, p,
                                    p.weight.as<const T>());
  });
}

}  // namespace dfascale
