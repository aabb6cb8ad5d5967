// Random numbers as functions of (seed, stream name, replicate, index): no value depends on threads
// or order of calls.
#pragma once

#include <Random123/philox.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace dfascale::fit {

/// The stream of one replicate of one method.
class Stream {
 public:
  Stream(std::uint64_t seed, std::string_view name, std::uint64_t replicate)
      : key_{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}},
        counter_{{0, static_cast<std::uint32_t>(replicate), 0, 0}} {
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a of the name
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    counter_.v[2] = static_cast<std::uint32_t>(hash);
    counter_.v[3] = static_cast<std::uint32_t>(hash >> 32);
  }

  /// Uniform in (0, 1).
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }
  /// Uniform in 0 .. n - 1.
  std::size_t below(std::size_t n) {
    return static_cast<std::size_t>(static_cast<unsigned __int128>(bits()) * n >> 64);
  }
  /// Standard normal (Box-Muller, one of the pair).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  std::uint64_t bits() {
    if (left_ == 0) {
      const auto block = r123::Philox4x32()(counter_, key_);
      ++counter_.v[0];
      words_ = {static_cast<std::uint64_t>(block.v[0]) << 32 | block.v[1],
                static_cast<std::uint64_t>(block.v[2]) << 32 | block.v[3]};
      left_ = 2;
    }
    return words_[--left_];
  }

  r123::Philox4x32::key_type key_;
  r123::Philox4x32::ctr_type counter_;
  std::array<std::uint64_t, 2> words_{};
  std::size_t left_ = 0;
};

}  // namespace dfascale::fit
