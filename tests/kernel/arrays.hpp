// What kernel tests share: arrays on the device with strides, random inputs, and comparison with an
// oracle. Only the public interface is used (Device, device_allocate, copies), so the same tests
// run on any backend.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/device.hpp"
#include "kernels/random.hpp"
#include "kernels/real.hpp"
#include "tests/oracle/dense.hpp"

namespace dfascale::test {

inline constexpr double eps = std::numeric_limits<float>::epsilon();

/// Relative error allowed for a sum of k terms: rounding errors add like a random walk.
inline double sum_tolerance(std::int64_t k) {
  return 4 * eps * std::sqrt(static_cast<double>(std::max<std::int64_t>(k, 1)));
}

inline const Device on = {};

/// An array on the device, filled from the host.
template <class T>
class Array {
 public:
  explicit Array(const std::vector<T>& values)
      : size_(static_cast<std::int64_t>(values.size())),
        data_(static_cast<T*>(device_allocate(values.size() * sizeof(T)))) {
    copy_to_device(on, data_, values.data(), values.size() * sizeof(T));
  }
  ~Array() { device_free(data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  Vector<T> vec() const { return {data_, size_}; }
  Vector<const T> view() const { return {data_, size_}; }
  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(static_cast<std::size_t>(size_));
    fence(on);
    copy_to_host(on, values.data(), data_, values.size() * sizeof(T));
    return values;
  }

 private:
  std::int64_t size_;
  T* data_;
};

inline constexpr float gap_value = 12345.0f;  // written between rows: no kernel may touch it

/// A matrix on the device whose rows are `gap` floats apart.
class Grid {
 public:
  Grid(const oracle::Dense& values, std::int64_t gap)
      : rows_(values.rows),
        cols_(values.cols),
        stride_(values.cols + gap),
        array_(spread(values, gap)) {}

  Mat mat() const { return {array_.data(), rows_, cols_, stride_}; }
  ConstMat view() const { return mat(); }

  /// The elements, after checking that the gaps are as they were.
  oracle::Dense host() const {
    const std::vector<float> all = array_.host();
    oracle::Dense values(rows_, cols_);
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = 0; c < stride_; ++c) {
        const float value = all[static_cast<std::size_t>(r * stride_ + c)];
        if (c < cols_) values(r, c) = value;
        else if (value != gap_value) ADD_FAILURE() << "gap after row " << r << " was written";
      }
    }
    return values;
  }

 private:
  static std::vector<float> spread(const oracle::Dense& values, std::int64_t gap) {
    const std::int64_t stride = values.cols + gap;
    std::vector<float> all(static_cast<std::size_t>(values.rows * stride), gap_value);
    for (std::int64_t r = 0; r < values.rows; ++r) {
      for (std::int64_t c = 0; c < values.cols; ++c) {
        all[static_cast<std::size_t>(r * stride + c)] = static_cast<float>(values(r, c));
      }
    }
    return all;
  }

  std::int64_t rows_, cols_, stride_;
  Array<float> array_;
};

/// Normal numbers that are exact in float, so that kernel and oracle get the same input.
inline oracle::Values random_values(std::int64_t count, std::uint32_t name,
                                    double deviation = 1.0) {
  oracle::Values values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(deviation * normal_at({1, Purpose::test, name}, i));
  }
  return values;
}

inline oracle::Dense random_dense(std::int64_t rows, std::int64_t cols, std::uint32_t name,
                                  double deviation = 1.0) {
  return {rows, cols, random_values(rows * cols, name, deviation)};
}

/// A matrix on the device in bf16, whose rows are `gap` elements apart.
class HalfGrid {
 public:
  HalfGrid(const oracle::Dense& values, std::int64_t gap)
      : rows_(values.rows), cols_(values.cols), stride_(values.cols + gap), array_([&] {
          std::vector<Bf16> all(static_cast<std::size_t>(values.rows * (values.cols + gap)));
          for (std::int64_t r = 0; r < values.rows; ++r)
            for (std::int64_t c = 0; c < values.cols; ++c)
              all[static_cast<std::size_t>(r * (values.cols + gap) + c)] =
                  static_cast<float>(values(r, c));
          return all;
        }()) {}

  Stored mat() const { return Matrix<Bf16>(array_.data(), rows_, cols_, stride_); }
  ConstStored view() const { return mat(); }
  oracle::Dense host() const {
    const std::vector<Bf16> all = array_.host();
    oracle::Dense values(rows_, cols_);
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t c = 0; c < cols_; ++c)
        values(r, c) = static_cast<double>(float(all[static_cast<std::size_t>(r * stride_ + c)]));
    return values;
  }

 private:
  std::int64_t rows_, cols_, stride_;
  Array<Bf16> array_;
};

/// What bf16 makes of numbers.
inline oracle::Dense rounded(oracle::Dense values) {
  for (double& value : values.values)
    value = static_cast<double>(float(Bf16(static_cast<float>(value))));
  return values;
}

inline std::vector<std::int32_t> random_tokens(std::int64_t count, std::int64_t vocab,
                                               std::uint32_t name) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    tokens[i] = static_cast<std::int32_t>(uniform_at({1, Purpose::test, name}, i) * vocab);
  }
  return tokens;
}

inline std::vector<float> to_float(const oracle::Values& values) {
  return {values.begin(), values.end()};
}

inline oracle::Values to_double(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

inline double largest(const oracle::Values& values) {
  double result = 0;
  for (const double value : values) result = std::max(result, std::abs(value));
  return result;
}

/// max |got - wanted| <= relative * max |wanted| + absolute; a NaN fails.
inline void expect_close(const oracle::Values& got, const oracle::Values& wanted, double relative,
                         const std::string& what, double absolute = 0) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  const double allowed = relative * largest(wanted) + absolute;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_LE(std::abs(got[i] - wanted[i]), allowed)
        << what << "[" << i << "]: " << got[i] << " instead of " << wanted[i];
  }
}

}  // namespace dfascale::test
