#include "credit/feedback.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "kernels/random.hpp"
#include "kernels/residual.hpp"

namespace dfascale {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// FNV-1a over the bits of the values.
std::uint64_t checksum_of(const std::vector<float>& values) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const float value : values) {
    std::uint32_t bits;
    static_assert(sizeof bits == sizeof value);
    std::memcpy(&bits, &value, sizeof bits);
    hash = (hash ^ bits) * 1099511628211ull;
  }
  return hash;
}

/// A random orthogonal matrix: Q of a Gaussian one, with R's diagonal made positive (Haar measure).
RowMajor orthogonal(const std::vector<float>& gaussian, std::int64_t n) {
  RowMajor a(n, n);
  for (std::int64_t i = 0; i < n * n; ++i)
    a.data()[i] = static_cast<double>(gaussian[static_cast<std::size_t>(i)]);
  const Eigen::HouseholderQR<RowMajor> qr(a);
  RowMajor q = qr.householderQ();
  for (std::int64_t c = 0; c < n; ++c)
    if (qr.matrixQR()(c, c) < 0) q.col(c) *= -1;
  return q;
}

}  // namespace

FeedbackMatrix::FeedbackMatrix(const Shape& shape, const Rule& rule, const StageRange& range,
                               Precision precision)
    : rule_(rule), precision_(precision) {
  if (!range.has_head || rule.inner != Credit::direct || shape.layers == 1) return;
  rows_ = rule.granularity == Granularity::block ? shape.width : 4 * shape.width;
  cols_ = rule.error == ErrorTap::logits ? shape.vocab : shape.width;
  padded_cols_ = rule.error == ErrorTap::logits ? shape.padded_vocab() : shape.width;
}

void FeedbackMatrix::lay_out(Arena& arena) {
  if (rows_ > 0 && rule_.feedback != Feedback::identity)
    matrix_ = arena.stored(precision_, rows_, padded_cols_);
}

void FeedbackMatrix::draw(const Device& on, std::uint64_t seed) {
  if (!matrix_) return;
  const char* name = rule_.error == ErrorTap::logits ? "feedback/logits" : "feedback/preprojector";
  std::vector<float> values(static_cast<std::size_t>(rows_ * cols_));
  const double std_of_entries = rule_.feedback_scale / std::sqrt(static_cast<double>(cols_));
  const Vec view{values.data(), rows_ * cols_};
  fill_normal_host(view, {seed, Purpose::feedback, hash_name(name)}, 0, std_of_entries);
  if (rule_.feedback == Feedback::orthogonal) {
    const RowMajor q = orthogonal(values, rows_) * rule_.feedback_scale;
    for (std::int64_t i = 0; i < rows_ * cols_; ++i)
      values[static_cast<std::size_t>(i)] = static_cast<float>(q.data()[i]);
  }
  upload(on, values);
}

void FeedbackMatrix::assign(const Device& on, const std::vector<float>& full, std::int64_t cols) {
  if (!matrix_) return;
  if (cols != cols_ || static_cast<std::int64_t>(full.size()) < rows_ * cols_)
    throw std::logic_error("feedback matrix of another shape");
  upload(on, std::vector<float>(full.begin(), full.begin() + rows_ * cols_));
}

void FeedbackMatrix::upload(const Device& on, const std::vector<float>& values) {
  checksum_ = checksum_of(values);
  with_type(precision_, [&]<class T>(T) {
    const Matrix<T> to = matrix_.as<T>();
    std::vector<T> row(static_cast<std::size_t>(padded_cols_), T(0.0f));
    for (std::int64_t r = 0; r < rows_; ++r) {
      std::copy_n(values.begin() + r * cols_, cols_, row.begin());
      copy_to_device(on, &to(r, 0), row.data(), row.size() * sizeof(T));
    }
  });
}

void FeedbackMatrix::apply(const Device& on, Gemm& gemm, Stored signals, ConstStored error) const {
  if (rule_.feedback != Feedback::identity) {
    gemm({.c = signals, .a = error, .b = matrix_, .b_side = Side::turned});
    return;
  }
  convert(on, signals, error, static_cast<float>(rule_.feedback_scale));
}

}  // namespace dfascale
