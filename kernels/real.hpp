// How numbers are stored: as float, or, in what products read and write, as bf16, the upper half of
// a float. Kernels compute in float whatever is stored; they are templates on the stored type, and
// with_type() finds out which it is.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <type_traits>

#include "kernels/span.hpp"

namespace dfascale {

/// Of what products read: weights, activations, signals and feedback.
enum class Precision : std::uint8_t { f32, bf16 };

constexpr std::int64_t bytes_of(Precision p) { return p == Precision::f32 ? 4 : 2; }

/// 1 sign, 8 exponent and 7 mantissa bits: float's range, relative spacing 2^-7.
struct Bf16 {
  std::uint16_t bits;

  Bf16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  DFASCALE_INLINE Bf16(float x) {
    const std::uint32_t all = __builtin_bit_cast(std::uint32_t, x);
    const std::uint32_t rounded = all + 0x7FFFu + ((all >> 16) & 1u);
    const bool is_nan = (all & 0x7FFFFFFFu) > 0x7F800000u;
    bits = static_cast<std::uint16_t>((is_nan ? all | 0x400000u : rounded) >> 16);
  }
  DFASCALE_INLINE operator float() const {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
  }
};

template <class T>
inline constexpr Precision precision_of = Precision::f32;
template <>
inline constexpr Precision precision_of<Bf16> = Precision::bf16;

/// A matrix whose elements are floats or bf16: `Void` is void, or const void where they are only
/// read.
template <class Void>
struct StoredMatrix {
  Void* data = nullptr;
  std::int64_t rows = 0, cols = 0, stride = 0;  ///< in elements
  Precision precision = Precision::f32;

  StoredMatrix() = default;
  StoredMatrix(Void* data, std::int64_t rows, std::int64_t cols, std::int64_t stride,
               Precision precision)
      : data(data), rows(rows), cols(cols), stride(stride), precision(precision) {}
  template <class T>
  requires std::is_convertible_v<T*, Void*> StoredMatrix(const Matrix<T>& m)
      : StoredMatrix(m.data, m.rows, m.cols, m.stride, precision_of<std::remove_const_t<T>>) {}
  template <class U>
  requires std::is_same_v<const U, Void> StoredMatrix(const StoredMatrix<U>& m)
      : StoredMatrix(m.data, m.rows, m.cols, m.stride, m.precision) {}

  explicit operator bool() const { return data != nullptr; }
  std::int64_t size() const { return rows * cols; }
  StoredMatrix rows_from(std::int64_t first, std::int64_t count) const {
    return {at(first * stride), count, cols, stride, precision};
  }
  StoredMatrix cols_from(std::int64_t first, std::int64_t count) const {
    return {at(first), rows, count, stride, precision};
  }

  /// The same with its elements' type: float or Bf16, const where Void is.
  template <class T>
  Matrix<T> as() const {
    static_assert(std::is_const_v<T> == std::is_const_v<Void>);
    if (precision != precision_of<std::remove_const_t<T>>)
      throw std::logic_error("a matrix of another precision than a kernel takes");
    return {static_cast<T*>(data), rows, cols, stride};
  }

 private:
  using Byte = std::conditional_t<std::is_const_v<Void>, const char, char>;
  Void* at(std::int64_t element) const {
    return data ? static_cast<Byte*>(data) + element * bytes_of(precision) : nullptr;
  }
};

using Stored = StoredMatrix<void>;
using ConstStored = StoredMatrix<const void>;

/// f(T()) for the type that is stored in a matrix: float or Bf16.
template <class F>
void with_type(Precision precision, const F& f) {
  if (precision == Precision::f32) f(float());
  else f(Bf16());
}

}  // namespace dfascale
