// Format-preserving permutation: J. Black and P. Rogaway, "Ciphers with Arbitrary Finite Domains"
// (2002), a Feistel network with cycle walking.
#include "data/sample_order.hpp"

#include <Random123/philox.h>

#include "kernels/random.hpp"

namespace dfascale {
namespace {

constexpr std::uint32_t rounds = 6;  // more than the four that mix well: small domains need it

std::uint32_t round_value(std::uint64_t seed, std::uint64_t epoch, std::uint32_t round,
                          std::uint32_t half) {
  const r123::Philox4x32::ctr_type counter{{half, round, static_cast<std::uint32_t>(epoch),
                                            static_cast<std::uint32_t>(Purpose::sample_order)}};
  const r123::Philox4x32::key_type key{
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
  return r123::Philox4x32()(counter, key)[0];
}

}  // namespace

SampleOrder::SampleOrder(std::uint64_t seed, std::int64_t samples)
    : seed_(seed), samples_(samples), half_bits_(1) {
  while ((std::int64_t{1} << (2 * half_bits_)) < samples_) ++half_bits_;
}

std::int64_t SampleOrder::at(std::int64_t position) const {
  const auto epoch = static_cast<std::uint64_t>(position / samples_);
  const std::uint32_t mask = (1u << half_bits_) - 1u;
  auto value = static_cast<std::uint64_t>(position % samples_);
  do {  // fewer than four walks on average: the domain is below 4 * samples
    auto left = static_cast<std::uint32_t>(value >> half_bits_);
    auto right = static_cast<std::uint32_t>(value) & mask;
    for (std::uint32_t round = 0; round < rounds; ++round) {
      const std::uint32_t mixed = left ^ (round_value(seed_, epoch, round, right) & mask);
      left = right;
      right = mixed;
    }
    value = (static_cast<std::uint64_t>(left) << half_bits_) | right;
  } while (value >= static_cast<std::uint64_t>(samples_));
  return static_cast<std::int64_t>(value);
}

}  // namespace dfascale
