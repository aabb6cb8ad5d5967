// Light arrays: a pointer and extents, row-major, owning nothing.  They are what kernels take, on
// the host and on a GPU.
#pragma once

#include <cstdint>
#include <type_traits>

#if defined(__CUDACC__) || defined(__HIPCC__)
#define DFASCALE_INLINE __host__ __device__ inline __attribute__((always_inline))
#else
#define DFASCALE_INLINE inline __attribute__((always_inline))
#endif

namespace dfascale {

/// A vector of `size` elements.
template <class T>
struct Vector {
  T* data = nullptr;
  std::int64_t size = 0;

  DFASCALE_INLINE T& operator()(std::int64_t i) const { return data[i]; }
  Vector part(std::int64_t first, std::int64_t count) const { return {data + first, count}; }
  explicit operator bool() const { return data != nullptr; }
  template <class U>  // a template, or nvcc warns where T is const already
  requires std::is_same_v<U, const T>
  operator Vector<U>() const { return {data, size}; }
};

/// A matrix of `rows` x `cols` elements; row r begins at data + r * stride.
template <class T>
struct Matrix {
  T* data = nullptr;
  std::int64_t rows = 0, cols = 0, stride = 0;

  Matrix() = default;
  Matrix(T* data, std::int64_t rows, std::int64_t cols) : Matrix(data, rows, cols, cols) {}
  Matrix(T* data, std::int64_t rows, std::int64_t cols, std::int64_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}

  DFASCALE_INLINE T& operator()(std::int64_t r, std::int64_t c) const {
    return data[r * stride + c];
  }
  explicit operator bool() const { return data != nullptr; }
  std::int64_t size() const { return rows * cols; }
  /// Rows [first, first + count).
  Matrix rows_from(std::int64_t first, std::int64_t count) const {
    return {data + first * stride, count, cols, stride};
  }
  /// Columns [first, first + count).
  Matrix cols_from(std::int64_t first, std::int64_t count) const {
    return {data + first, rows, count, stride};
  }
  /// All elements in a row; only for matrices without gaps (stride == cols).
  Vector<T> flat() const { return {data, rows * cols}; }
  template <class U>
  requires std::is_same_v<U, const T>
  operator Matrix<U>() const { return {data, rows, cols, stride}; }
};

using Vec = Vector<float>;
using ConstVec = Vector<const float>;
using Mat = Matrix<float>;
using ConstMat = Matrix<const float>;
using Tokens = Vector<const std::int32_t>;

/// Whether a result replaces what is there or is added to it.
enum class Into { overwrite, add };

}  // namespace dfascale
