// SHA-256 (FIPS 180-4), for the records of what a corpus was made from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dfascale {

class Sha256 {
 public:
  void add(const void* data, std::size_t bytes);
  /// The digest in hexadecimal.  Call once, after the last add().
  std::string hex();

 private:
  void block(const unsigned char* at);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> waiting_{};
  std::uint64_t bytes_ = 0;
};

/// Of a whole file.  Throws Error(Exit::data) if it cannot be read.
std::string sha256_of_file(const std::string& path);

}  // namespace dfascale
