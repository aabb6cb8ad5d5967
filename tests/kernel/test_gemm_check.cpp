// The check of products at the start: passes with the threads that there are, and notices where
// fewer compute than products are planned for (this test has OMP_THREAD_LIMIT=2).
#include <gtest/gtest.h>
#include <omp.h>

#include "base/error.hpp"
#include "kernels/gemm.hpp"
#include "kernels/gemm_check.hpp"

namespace dfascale {
namespace {

TEST(GemmCheck, Passes) { check_products(DeviceScope().device()); }

TEST(GemmCheck, NoticesMissingThreads) {
  const DeviceScope scope;
  if (!Gemm::library().starts_with("oneDNN") || omp_get_thread_limit() != 2) GTEST_SKIP();
  for (const int planned : {3, 4, 8}) {
    omp_set_num_threads(planned);
    try {
      check_products(scope.device());
      FAIL() << "2 of " << planned << " threads";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::device);
    }
  }
  omp_set_num_threads(2);
  check_products(scope.device());
}

}  // namespace
}  // namespace dfascale
