// exp and tanh in single precision, inlined so that loops over them vectorise (libm's do not
// without -ffast-math). Errors stay within the ulps named at each function over the whole range
// (tests/kernel/test_math.cpp); NaN stays NaN.
#pragma once

#include <cstdint>

#include "kernels/span.hpp"

namespace dfascale::math {

/// x = n ln 2 + r with |r| <= ln(2)/2: exp(x) = 2^n (m + 1).
struct Reduced {
  float minus_one;  ///< m = exp(r) - 1
  std::int32_t n;
};

/// 2^n for -126 <= n <= 127.
DFASCALE_INLINE float power_of_two(std::int32_t n) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(n + 127) << 23);
}

/// |x| must be below 2^21.  Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
DFASCALE_INLINE Reduced reduce(float x) {
  constexpr float magic = 12582912.0f, log2_e = 1.44269504f;
  constexpr float ln2_high = 0.693359375f,
                  ln2_low = -2.12194440e-4f;  // the high part has 9 bits: n * high is exact
  const float shifted = x * log2_e + magic;
  const float n = shifted - magic;
  const std::int32_t whole =
      static_cast<std::int32_t>(__builtin_bit_cast(std::uint32_t, shifted) - 0x4B400000u);
  const float r = (x - n * ln2_high) - n * ln2_low;
  // exp(r) = 1 + r + r^2 q(r); q interpolates at the Chebyshev nodes, error 1e-8 of exp(r).
  const float q =
      0.5f + r * (0.16666577f + r * (0.04166655f + r * (0.008363233f + r * 0.0013926251f)));
  return {r + r * r * q, whole};
}

/// e^x, 2 ulp; 0 and infinity where e^x leaves the range of float.
DFASCALE_INLINE float exp(float x) {
  // Comparisons in this sense let NaN through.
  const float low = x < -105.0f ? -105.0f : x;
  const Reduced e = reduce(low > 89.0f ? 89.0f : low);
  // 2^n as a product, because 2^n itself may leave the range of normal numbers.
  const std::int32_t half = e.n >> 1;
  return (1.0f + e.minus_one) * power_of_two(half) * power_of_two(e.n - half);
}

/// e^x for x <= 0, 2 ulp, as a softmax needs it, in two thirds of exp's time: what would be below
/// 2e-38 is 2e-38.
DFASCALE_INLINE float exp_of_negative(float x) {
  const Reduced e = reduce(x < -87.0f ? -87.0f : x);
  return (1.0f + e.minus_one) * power_of_two(e.n);
}

/// tanh(x) = t / (t + 2) with t = exp(2|x|) - 1, 4 ulp, also near 0.
DFASCALE_INLINE float tanh(float x) {
  const float twice = 2.0f * __builtin_fabsf(x);
  const Reduced e = reduce(twice > 20.0f ? 20.0f : twice);
  const float scale = power_of_two(e.n);
  const float t = scale * e.minus_one + (scale - 1.0f);
  return __builtin_copysignf(t / (t + 2.0f), x);
}

}  // namespace dfascale::math
