// Causal multi-head attention in double, one (sequence, head, query) at a time.
#pragma once

#include <cmath>

#include "kernels/attention.hpp"
#include "tests/oracle/dense.hpp"

namespace dfascale::oracle {

struct Attended {
  Dense out;
  Values log_sum;  // (B*H*T)
};

/// Scaled scores of one query against keys 0..t.
inline Values scores(const Dense& qkv, const AttentionShape& s, std::int64_t sequence,
                     std::int64_t head, std::int64_t t) {
  const std::int64_t size = s.width / s.heads, top = sequence * s.context, column = head * size;
  Values result(t + 1);
  for (std::int64_t u = 0; u <= t; ++u) {
    for (std::int64_t d = 0; d < size; ++d) {
      result[u] += qkv(top + t, column + d) * qkv(top + u, s.width + column + d) / std::sqrt(size);
    }
  }
  return result;
}

inline double log_sum_exp(const Values& x) {
  double largest = x[0], sum = 0;
  for (const double value : x) largest = std::max(largest, value);
  for (const double value : x) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

inline Attended attention_forward(const Dense& qkv, const AttentionShape& s) {
  Attended result{Dense(s.sequences * s.context, s.width),
                  Values(s.sequences * s.heads * s.context)};
  const std::int64_t size = s.width / s.heads;
  for (std::int64_t i = 0; i < s.sequences * s.heads; ++i) {
    const std::int64_t b = i / s.heads, h = i % s.heads;
    for (std::int64_t t = 0; t < s.context; ++t) {
      const Values score = scores(qkv, s, b, h, t);
      const double log_sum = log_sum_exp(score);
      result.log_sum[i * s.context + t] = log_sum;
      for (std::int64_t u = 0; u <= t; ++u) {
        const double p = std::exp(score[u] - log_sum);
        for (std::int64_t d = 0; d < size; ++d) {
          result.out(b * s.context + t, h * size + d) +=
              p * qkv(b * s.context + u, 2 * s.width + h * size + d);
        }
      }
    }
  }
  return result;
}

inline Dense attention_backward(const Dense& dout, const Dense& qkv, const AttentionShape& s) {
  const Attended kept = attention_forward(qkv, s);
  const std::int64_t size = s.width / s.heads;
  Dense dqkv(qkv.rows, qkv.cols);
  for (std::int64_t i = 0; i < s.sequences * s.heads; ++i) {
    const std::int64_t b = i / s.heads, h = i % s.heads, top = b * s.context, q = h * size;
    const std::int64_t k = s.width + q, v = 2 * s.width + q;
    for (std::int64_t t = 0; t < s.context; ++t) {
      const Values score = scores(qkv, s, b, h, t);
      const double log_sum = kept.log_sum[i * s.context + t];
      double delta = 0;
      for (std::int64_t d = 0; d < size; ++d)
        delta += dout(top + t, q + d) * kept.out(top + t, q + d);
      for (std::int64_t u = 0; u <= t; ++u) {
        const double p = std::exp(score[u] - log_sum);
        double dp = 0;
        for (std::int64_t d = 0; d < size; ++d) dp += dout(top + t, q + d) * qkv(top + u, v + d);
        const double ds = p * (dp - delta) / std::sqrt(size);
        for (std::int64_t d = 0; d < size; ++d) {
          dqkv(top + u, v + d) += p * dout(top + t, q + d);
          dqkv(top + t, q + d) += ds * qkv(top + u, k + d);
          dqkv(top + u, k + d) += ds * qkv(top + t, q + d);
        }
      }
    }
  }
  return dqkv;
}

}  // namespace dfascale::oracle
