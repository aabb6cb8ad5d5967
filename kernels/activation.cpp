// The MLP's nonlinearities and their derivatives, each as a small functor: kernels/activation.hpp.
#include "kernels/activation.hpp"

#include "kernels/launch.hpp"
#include "kernels/math.hpp"

namespace dfascale {
namespace activation {

struct Relu {
  DFASCALE_INLINE float value(float a) const { return a < 0.0f ? 0.0f : a; }  // NaN stays NaN
  DFASCALE_INLINE float slope(float a) const { return a > 0.0f ? 1.0f : 0.0f; }
};

struct Tanh {
  DFASCALE_INLINE float value(float a) const { return math::tanh(a); }
  DFASCALE_INLINE float slope(float a) const {
    const float t = math::tanh(a);
    return 1.0f - t * t;
  }
};

struct Gelu {
  static constexpr float root = 0.797884561f;  // sqrt(2/pi)
  static constexpr float cubic = 0.044715f;

  DFASCALE_INLINE float value(float a) const {
    return 0.5f * a * (1.0f + math::tanh(root * (a + cubic * a * a * a)));
  }
  DFASCALE_INLINE float slope(float a) const {
    // Beyond 10 the slope is 0 or 1 in f32; the bound keeps a^3 of huge values from becoming
    // infinity times zero.
    const float low = a < -10.0f ? -10.0f : a;
    const float b = low > 10.0f ? 10.0f : low;
    const float t = math::tanh(root * (b + cubic * b * b * b));
    return 0.5f * (1.0f + t) + 0.5f * b * (1.0f - t * t) * root * (1.0f + 3.0f * cubic * b * b);
  }
};

template <class T, class F>
void forward(const Device& on, Matrix<T> z, Matrix<const T> a, F f) {
  rows(
      "activation", on, z.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        row_each(row, z.cols, [&](int c) { z(r, c) = f.value(a(r, c)); });
      });
}

template <class T, class F>
void backward(const Device& on, Matrix<T> da, Matrix<const T> dz, Matrix<const T> a, F f) {
  rows(
      "activation_back", on, da.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        row_each(row, da.cols, [&](int c) { da(r, c) = dz(r, c) * f.slope(a(r, c)); });
      });
}

/// work(f) with the functor of a nonlinearity.
template <class Work>
void with_function(Activation kind, const Work& work) {
  switch (kind) {
    case Activation::relu: return work(Relu{});
    case Activation::gelu: return work(Gelu{});
    case Activation::tanh: return work(Tanh{});
  }
}

}  // namespace activation

void activation_forward(const Device& on, Stored z, ConstStored a, Activation kind) {
  with_type(z.precision, [&]<class T>(T) {
    activation::with_function(
        kind, [&](auto f) { activation::forward<T>(on, z.as<T>(), a.as<const T>(), f); });
  });
}

void activation_backward(const Device& on, Stored da, ConstStored dz, ConstStored a,
                         Activation kind, Derivative derivative) {
  if (derivative == Derivative::tanh) kind = Activation::tanh;
  with_type(da.precision, [&]<class T>(T) {
    activation::with_function(kind, [&](auto f) {
      activation::backward<T>(on, da.as<T>(), dz.as<const T>(), a.as<const T>(), f);
    });
  });
}

}  // namespace dfascale
