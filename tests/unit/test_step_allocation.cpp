// A training step allocates no arrays: whatever asks for more than a page during one is counted,
// here and in every library but one: oneDNN's sgemm takes a buffer to pack its operands in, per
// call, and offers no way to hand it one.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "tests/support/rule_names.hpp"
#include "tests/support/small_model.hpp"

namespace {

constexpr std::size_t page = 4096;  // libraries may keep small books, not arrays
std::atomic<bool> watching = false;
std::atomic<long> large_requests = 0;

bool is_in_onednn(const void* code) {
  Dl_info found{};
  return dladdr(code, &found) != 0 && found.dli_fname != nullptr &&
         std::strstr(found.dli_fname, "libdnnl") != nullptr;
}

[[maybe_unused]] void note(std::size_t bytes, const void* caller) {
  if (watching && bytes > page && !is_in_onednn(caller)) ++large_requests;
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__)
constexpr bool counts = false;  // the sanitizer has an allocator of its own
#else
constexpr bool counts = true;

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  note(bytes, __builtin_return_address(0));
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  note(count * bytes, __builtin_return_address(0));
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
  note(bytes, __builtin_return_address(0));
  return __libc_realloc(memory, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  note(bytes, __builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  note(bytes, __builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  note(bytes, __builtin_return_address(0));
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? 12 : 0;  // ENOMEM
}
}
#endif

namespace dfascale::test {
namespace {

class StepAllocation : public testing::TestWithParam<std::string> {};

/// After the first of three steps.
void expect_no_arrays_in_steps(const std::string& rule, Recompute level) {
  SCOPED_TRACE(facts_of(level).name);
  // Every array of a step is larger than a page.
  const Shape shape{3, 64, 4, 64, 500, true, Activation::gelu};
  SmallModel model(shape, preset(rule), 4, 0.02, plain_adamw(), Products::library, level);
  const auto step = [&](std::int64_t number) {
    model.take_gradients();
    model.learner().update(number, 1e-3);
  };
  step(1);
  large_requests = 0;
  watching = true;
  step(2);
  step(3);
  watching = false;
  EXPECT_EQ(large_requests, 0);
}

TEST_P(StepAllocation, TakesNoArraysOnceItHasRun) {
  if (!counts) GTEST_SKIP() << "AddressSanitizer has an allocator of its own";
  for (const RecomputeLevel& facts : recompute_levels)
    expect_no_arrays_in_steps(GetParam(), facts.level);

  large_requests = 0;
  watching = true;
  std::free(std::malloc(2 * page));
  watching = false;
  EXPECT_EQ(large_requests, 1) << "the count does not count";
}

INSTANTIATE_TEST_SUITE_P(Rules, StepAllocation, all_rules(), rule_name);

}  // namespace
}  // namespace dfascale::test
