// That the guard of tests/support/guarded lets through what it should, and nothing else.
#include <csignal>

#include "kernels/residual.hpp"
#include "tests/kernel/arrays.hpp"

namespace dfascale::test {
namespace {

TEST(Guarded, KernelsAndCopiesReachTheMemory) {
  const Array<float> array(std::vector<float>{1, 2, 3});
  scale(on, array.vec(), 2.0f);
  EXPECT_EQ(array.host(), (std::vector<float>{2, 4, 6}));
}

TEST(Guarded, TheHostDoesNot) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Array<float> array(std::vector<float>{1, 2, 3});
  const volatile float* const there = array.data();
  EXPECT_EXIT(static_cast<void>(*there), testing::KilledBySignal(SIGSEGV), "");
  scale(on, array.vec(), 2.0f);
  EXPECT_EXIT(*array.data() = 1.0f, testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace dfascale::test
