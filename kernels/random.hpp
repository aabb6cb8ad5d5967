// Counter-based random numbers (Philox 4x32-10 of Random123): a value is a function of (seed,
// purpose, tensor, element) and of nothing else, so no layout, restart or order of calls changes it
// (SPEC section 4).
#pragma once

#include <cstdint>

#include "kernels/device.hpp"
#include "kernels/span.hpp"

namespace dfascale {

/// What a random number is for.  Values are part of the format of a run: never renumber.
enum class Purpose : std::uint32_t {
  init = 1,
  feedback = 2,
  sample_order = 3,
  sampling = 4,
  test = 5
};

/// Names a stream of random numbers.  `tensor` is hash_name() of the tensor's name, or any index.
struct RandomKey {
  std::uint64_t seed;
  Purpose purpose;
  std::uint32_t tensor;
};

/// FNV-1a of a name, the same on every machine.
constexpr std::uint32_t hash_name(const char* name) {
  std::uint32_t h = 2166136261u;
  for (; *name; ++name) h = (h ^ static_cast<unsigned char>(*name)) * 16777619u;
  return h;
}

/// Element `index` of a stream: uniform in (0, 1), and standard normal (Box-Muller in double,
/// rounded once).
double uniform_at(const RandomKey& key, std::uint64_t index);
float normal_at(const RandomKey& key, std::uint64_t index);

/// x(i) = standard_deviation * normal_at(key, first + i), into host memory, or drawn on the host
/// and copied: start-up only.
void fill_normal_host(Vec x, const RandomKey& key, std::uint64_t first, double standard_deviation);
void fill_normal(const Device& on, Vec x, const RandomKey& key, std::uint64_t first,
                 double standard_deviation);

}  // namespace dfascale
