#include "kernels/random.hpp"
#include "tests/kernel/arrays.hpp"

namespace dfascale::test {
namespace {

constexpr RandomKey key{42, Purpose::test, hash_name("blocks.0.mlp.fc1.weight")};

TEST(Random, FillDoesNotDependOnItsStart) {
  const std::int64_t n = 70000;  // more than one internal chunk
  const Array<float> whole(std::vector<float>(n, 0.0f));
  fill_normal(on, whole.vec(), key, 0, 0.5);
  const std::vector<float> values = whole.host();
  for (const std::int64_t first : {0, 1, 2, 3, 5, 65535, 69999}) {
    const Array<float> part(std::vector<float>(n - first, 0.0f));
    fill_normal(on, part.vec(), key, first, 0.5);
    EXPECT_EQ(part.host(), std::vector<float>(values.begin() + first, values.end())) << first;
  }
  std::vector<float> in_host_memory(n - 5);
  fill_normal_host({in_host_memory.data(), n - 5}, key, 5, 0.5);
  EXPECT_EQ(in_host_memory, std::vector<float>(values.begin() + 5, values.end()));
  for (const std::int64_t i : {0, 1, 2, 3, 4, 69999})
    EXPECT_EQ(values[i], 0.5f * normal_at(key, i));
}

TEST(Random, EveryPartOfTheNameCounts) {
  const float value = normal_at(key, 5);
  EXPECT_NE(value, normal_at({43, Purpose::test, key.tensor}, 5));
  EXPECT_NE(value, normal_at({42 + (std::uint64_t{1} << 32), Purpose::test, key.tensor}, 5));
  EXPECT_NE(value, normal_at({42, Purpose::init, key.tensor}, 5));
  EXPECT_NE(value, normal_at({42, Purpose::test, key.tensor + 1}, 5));
  EXPECT_NE(value, normal_at(key, 5 + (std::uint64_t{1} << 34)));
}

TEST(Random, NormalsHaveTheMomentsOfANormal) {
  const std::int64_t n = 1000000;
  const Array<float> x(std::vector<float>(n, 0.0f));
  fill_normal(on, x.vec(), key, 0, 1.0);
  double moment[5] = {};
  for (const float value : x.host()) {
    for (int k = 1; k <= 4; ++k) moment[k] += std::pow(value, k) / n;
  }
  const double sigmas =
      5 / std::sqrt(n);  // standard errors of the moments are 1, sqrt 2, sqrt 15, sqrt 96 of it
  EXPECT_NEAR(moment[1], 0, sigmas);
  EXPECT_NEAR(moment[2], 1, sigmas * std::sqrt(2));
  EXPECT_NEAR(moment[3], 0, sigmas * std::sqrt(15));
  EXPECT_NEAR(moment[4], 3, sigmas * std::sqrt(96));
}

TEST(Random, UniformsFillTheOpenInterval) {
  const std::int64_t n = 100000;
  std::vector<int> bins(10);
  for (std::int64_t i = 0; i < n; ++i) {
    const double u = uniform_at(key, i);
    ASSERT_GT(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++bins[static_cast<int>(10 * u)];
  }
  const double five_sigmas = 5 * std::sqrt(n * 0.1 * 0.9);
  for (const int count : bins) EXPECT_NEAR(count, n / 10, five_sigmas);
}

// Philox 4x32-10 of counter 0 and key 0, as published with its authors' library.
TEST(Random, WordsAreThoseOfPhilox) {
  const RandomKey zero{0, Purpose{0}, 0};
  const double unit = 0x1p-52;
  EXPECT_EQ(uniform_at(zero, 0), ((0x6627e8d5e169c58d >> 12) + 0.5) * unit);
  EXPECT_EQ(uniform_at(zero, 1), ((0xbc57ac4c9b00dbd8 >> 12) + 0.5) * unit);
}

// Runs can be repeated for years: these values may never change.
TEST(Random, ValuesAreFixedForever) {
  EXPECT_EQ(hash_name("token_embedding.weight"), 1941821598u);
  EXPECT_FLOAT_EQ(normal_at(key, 0), 0.450125456f);
  EXPECT_FLOAT_EQ(normal_at(key, 1000003), 0.0649772361f);
}

}  // namespace
}  // namespace dfascale::test
