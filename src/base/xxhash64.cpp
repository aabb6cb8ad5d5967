// Names follow the specification, doc/xxhash_spec.md of xxHash.
#include "base/xxhash64.hpp"

#include <bit>
#include <cstring>

namespace dfascale {
namespace {

static_assert(std::endian::native == std::endian::little, "XXH64 reads little-endian words");

constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87ull, prime2 = 0xC2B2AE3D27D4EB4Full,
                        prime3 = 0x165667B19E3779F9ull, prime4 = 0x85EBCA77C2B2AE63ull,
                        prime5 = 0x27D4EB2F165667C5ull;

template <class Word>
Word read(const unsigned char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

std::uint64_t round(std::uint64_t acc, std::uint64_t lane) {
  return std::rotl(acc + lane * prime2, 31) * prime1;
}

std::uint64_t merge(std::uint64_t acc, std::uint64_t lane) {
  return (acc ^ round(0, lane)) * prime1 + prime4;
}

/// Takes the whole stripes of 32 bytes and moves `at` behind them.
std::uint64_t stripes(const unsigned char*& at, const unsigned char* end, std::uint64_t seed) {
  std::uint64_t acc1 = seed + prime1 + prime2, acc2 = seed + prime2, acc3 = seed,
                acc4 = seed - prime1;
  for (; end - at >= 32; at += 32) {
    acc1 = round(acc1, read<std::uint64_t>(at));
    acc2 = round(acc2, read<std::uint64_t>(at + 8));
    acc3 = round(acc3, read<std::uint64_t>(at + 16));
    acc4 = round(acc4, read<std::uint64_t>(at + 24));
  }
  const std::uint64_t acc =
      std::rotl(acc1, 1) + std::rotl(acc2, 7) + std::rotl(acc3, 12) + std::rotl(acc4, 18);
  return merge(merge(merge(merge(acc, acc1), acc2), acc3), acc4);
}

}  // namespace

std::uint64_t xxhash64(const void* data, std::size_t bytes, std::uint64_t seed) {
  const auto* at = static_cast<const unsigned char*>(data);
  const unsigned char* const end = at + bytes;
  std::uint64_t acc = bytes >= 32 ? stripes(at, end, seed) : seed + prime5;
  acc += bytes;
  for (; end - at >= 8; at += 8)
    acc = std::rotl(acc ^ round(0, read<std::uint64_t>(at)), 27) * prime1 + prime4;
  for (; end - at >= 4; at += 4)
    acc = std::rotl(acc ^ read<std::uint32_t>(at) * prime1, 23) * prime2 + prime3;
  for (; at < end; ++at) acc = std::rotl(acc ^ *at * prime5, 11) * prime1;
  acc = (acc ^ (acc >> 33)) * prime2;
  acc = (acc ^ (acc >> 29)) * prime3;
  return acc ^ (acc >> 32);
}

}  // namespace dfascale
