// XXH64 (Yann Collet's xxHash, https://xxhash.com, 64 bits): about 10 GB/s on a core, against
// accidents only, not against forgery.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dfascale {

/// Hashes a block of bytes; another seed gives another hash.
std::uint64_t xxhash64(const void* data, std::size_t bytes, std::uint64_t seed);

}  // namespace dfascale
