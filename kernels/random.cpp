// Philox counters to uniform and normal numbers: kernels/random.hpp.  Host code.
#include "kernels/random.hpp"

#include <Random123/philox.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace dfascale {
namespace {

using Words = std::array<std::uint32_t, 4>;

/// 128 random bits: block `block` of the stream.
Words words_at(const RandomKey& key, std::uint64_t block) {
  const r123::Philox4x32::ctr_type counter = {{static_cast<std::uint32_t>(block),
                                               static_cast<std::uint32_t>(block >> 32), key.tensor,
                                               static_cast<std::uint32_t>(key.purpose)}};
  const r123::Philox4x32::key_type seed = {
      {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)}};
  const auto bits = r123::Philox4x32()(counter, seed);
  return {bits[0], bits[1], bits[2], bits[3]};
}

/// The four standard normals of a block: two Box-Muller pairs from 32-bit uniforms in (0, 1).
std::array<double, 4> normals_at(const RandomKey& key, std::uint64_t block) {
  const Words bits = words_at(key, block);
  std::array<double, 4> result;
  for (std::size_t pair = 0; pair < 4; pair += 2) {
    const double radius = std::sqrt(-2.0 * std::log((bits[pair] + 0.5) * 0x1p-32));
    const double angle = 2.0 * std::numbers::pi * ((bits[pair + 1] + 0.5) * 0x1p-32);
    result[pair] = radius * std::cos(angle);
    result[pair + 1] = radius * std::sin(angle);
  }
  return result;
}

}  // namespace

double uniform_at(const RandomKey& key, std::uint64_t index) {
  const Words bits = words_at(key, index / 2);
  const std::size_t at = index % 2 * 2;
  const std::uint64_t word = (std::uint64_t{bits[at]} << 32) | bits[at + 1];
  return (static_cast<double>(word >> 12) + 0.5) *
         0x1p-52;  // 52 bits: the sum is exact, 1 cannot occur
}

float normal_at(const RandomKey& key, std::uint64_t index) {
  return static_cast<float>(normals_at(key, index / 4)[index % 4]);
}

void fill_normal_host(Vec x, const RandomKey& key, std::uint64_t first, double standard_deviation) {
  for (std::int64_t i = 0; i < x.size;) {
    const std::uint64_t index = first + static_cast<std::uint64_t>(i);
    const auto values = normals_at(key, index / 4);
    for (std::size_t k = index % 4; k < 4 && i < x.size; ++k, ++i)
      x(i) = static_cast<float>(standard_deviation * values[k]);
  }
}

void fill_normal(const Device& on, Vec x, const RandomKey& key, std::uint64_t first,
                 double standard_deviation) {
  constexpr std::int64_t chunk = 1 << 16;
  std::vector<float> buffer(static_cast<std::size_t>(std::min(chunk, x.size)));
  for (std::int64_t done = 0; done < x.size; done += chunk) {
    const Vec part{buffer.data(), std::min(chunk, x.size - done)};
    fill_normal_host(part, key, first + static_cast<std::uint64_t>(done), standard_deviation);
    copy_to_device(on, x.data + done, part.data,
                   static_cast<std::size_t>(part.size) * sizeof(float));
  }
}

}  // namespace dfascale
