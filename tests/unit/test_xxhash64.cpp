// XXH64 against values of the reference program.
#include <gtest/gtest.h>

#include <string>

#include "base/xxhash64.hpp"

namespace dfascale {
namespace {

std::uint64_t hash(const std::string& text, std::uint64_t seed = 0) {
  return xxhash64(text.data(), text.size(), seed);
}

TEST(Xxhash64, KnownValues) {
  EXPECT_EQ(hash(""), 0xef46db3751d8e999ull);
  EXPECT_EQ(hash("a"), 0xd24ec4f1a98c6e5bull);
  EXPECT_EQ(hash("abc"), 0x44bc2cf5ad770999ull);
  EXPECT_EQ(hash("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1ull);
  EXPECT_NE(hash("abc", 1), hash("abc"));
}

TEST(Xxhash64, EveryByteCounts) {
  std::string text(100, 'x');
  const std::uint64_t before = hash(text);
  for (char& byte : text) {
    byte ^= 1;
    EXPECT_NE(hash(text), before);
    byte ^= 1;
  }
}

}  // namespace
}  // namespace dfascale
