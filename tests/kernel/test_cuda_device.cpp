// What the GPU build does around its kernels: cards, memory, errors, and how products reach
// cuBLASLt.  Over fakes of CUDA and cuBLASLt (tests/support/fake_cuda) that this program is linked
// with; test_gemm.cpp, linked with it too, compares the products themselves.
#include "kernels/gemm.hpp"
#include "kernels/gemm_columns.hpp"
#include "kernels/residual.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/fake_cuda/control.hpp"

namespace dfascale {

/// The one kernel that products use: nvcc's in a GPU build.
void add(const Device&, Mat y, ConstMat a, ConstMat b) {
  for (std::int64_t r = 0; r < y.rows; ++r)
    for (std::int64_t c = 0; c < y.cols; ++c) y(r, c) = a(r, c) + b(r, c);
}

namespace test {
namespace {

class Card : public testing::Test {
 protected:
  void SetUp() override { fake_cuda::plans = fake_cuda::products = 0; }
  void TearDown() override {
    fake_cuda::cards = 1;
    fake_cuda::card = 0;
    fake_cuda::counting = fake_cuda::copying = cudaSuccess;
    fake_cuda::memory = std::size_t{1} << 30;
    fake_cuda::has_algorithm = true;
    fake_cuda::multiplying = CUBLAS_STATUS_SUCCESS;
  }
};

TEST_F(Card, RanksOfANodeTakeCardsInTurn) {
  fake_cuda::cards = 4;
  for (const int rank : {0, 3, 4, 6}) {
    const DeviceScope scope(rank);
    EXPECT_EQ(fake_cuda::card, rank % 4);
  }
}

TEST_F(Card, WithoutOneThereIsOneClearError) {
  const std::vector<std::string> text = {"no GPU on this node: use a host build or ask"};
  fake_cuda::cards = 0;
  expect_error(Exit::device, text, [] { const DeviceScope scope; });
  for (const cudaError_t answer :
       {cudaErrorNoDevice, cudaErrorInsufficientDriver, cudaErrorStubLibrary}) {
    fake_cuda::counting = answer;
    expect_error(Exit::device, text, [] { const DeviceScope scope; });
    EXPECT_EQ(backend_name(), "no GPU here, bare CUDA 12.4");
    EXPECT_EQ(device_bytes_in_use(), 0);
  }
  fake_cuda::counting = cudaErrorIllegalAddress;
  expect_error(Exit::device, {"CUDA: counting the GPUs failed: a fake error (fakeError)"},
               [] { const DeviceScope scope; });
}

TEST_F(Card, IsNamed) {
  fake_cuda::card = 0;
  EXPECT_EQ(backend_name(), "Fake GPU, bare CUDA 12.4");
  EXPECT_EQ(Gemm::library(), "cuBLASLt 12.4.1");
}

TEST_F(Card, FullMemoryIsToldWithTheCure) {
  fake_cuda::memory = fake_cuda::taken + (std::size_t{3} << 28);
  const std::int64_t before = device_bytes_in_use();
  expect_error(
      Exit::device,
      {"no GPU memory for 2.00 GiB", "0.75 of 0.75 GiB are free", "parallel.micro_batches"},
      [] { device_allocate(std::size_t{1} << 31); });
  void* memory = device_allocate(1000);  // it goes on
  EXPECT_EQ(device_bytes_in_use(), before + 1000);
  device_free(memory);
  EXPECT_EQ(device_bytes_in_use(), before);
}

TEST_F(Card, ErrorsOfKernelsAreToldByCopiesAndWaits) {
  void* memory = device_allocate(8);
  float value = 0;
  fake_cuda::copying = cudaErrorIllegalAddress;
  expect_error(Exit::device, {"CUDA: copying to the GPU failed: a fake error (fakeError)"},
               [&] { copy_to_device(on, memory, &value, sizeof value); });
  expect_error(Exit::device, {"CUDA: copying from the GPU failed"},
               [&] { copy_to_host(on, &value, memory, sizeof value); });
  expect_error(Exit::device, {"CUDA: waiting for the GPU failed"}, [] { fence(on); });
  device_free(memory);  // on the way out after such an error: does not throw
}

/// C (m x n) = A B^T + bias, as linears are.
struct Linear {
  Linear(std::int64_t m, std::int64_t n, std::int64_t k)
      : a(random_dense(m, k, 1), 0),
        b(random_dense(n, k, 2), 0),
        c(random_dense(m, n, 3), 0),
        bias(to_float(random_values(n + 4, 4))) {}
  Product product(std::int64_t bias_from = 0) const {
    return {.c = c.mat(),
            .a = a.view(),
            .b = b.view(),
            .b_side = Side::turned,
            .bias = bias.view().part(bias_from, c.mat().cols)};
  }
  Grid a, b, c;
  Array<float> bias;
};

TEST_F(Card, NothingIsOpenedBeforeTheFirstProduct) {
  fake_cuda::cards = 0;
  const auto before = fake_cuda::taken;
  const Gemm gemm(on);
  EXPECT_EQ(fake_cuda::taken, before);
}

TEST_F(Card, AKindOfProductIsPlannedOnce) {
  Gemm gemm(on);
  const Linear one(8, 12, 16), other(8, 12, 16), longer(9, 12, 16);
  const auto before = fake_cuda::taken;
  for (int i = 0; i < 3; ++i) gemm(one.product());
  gemm(other.product());  // elsewhere, but as well aligned
  EXPECT_EQ(fake_cuda::plans, 1);
  EXPECT_EQ(fake_cuda::taken, before + static_cast<std::size_t>(Gemm::workspace_bytes()));
  gemm(longer.product());
  gemm(one.product(1));  // a bias that is aligned to 4 bytes only
  EXPECT_EQ(fake_cuda::plans, 3);
  EXPECT_EQ(fake_cuda::products, 6);
}

// An algorithm chosen for aligned rows must not run on a head inside qkv: the fake would refuse it.
TEST_F(Card, AlgorithmsGetTheAlignmentTheyWereChosenFor) {
  Gemm gemm(on);
  const Array<float> memory(std::vector<float>(4096, 1.0f));
  const Grid b(random_dense(8, 8, 2), 0);
  for (const std::int64_t at : {0, 64, 4, 2, 1, 16, 3}) {
    const ConstMat a(memory.data() + at, 8, 8);
    gemm({.c = Mat(memory.data() + 2048 + at, 8, 8), .a = a, .b = b.view()});
  }
  EXPECT_EQ(fake_cuda::plans, 5);  // 256, 16, 8, 4 and 64 bytes
}

TEST_F(Card, FailingProductsAreTold) {
  Gemm gemm(on);
  const Linear linear(3, 4, 5);
  fake_cuda::has_algorithm = false;
  expect_error(Exit::device, {"cuBLASLt has no algorithm", "C 3x4", "B^T 4x5", "bias 4"},
               [&] { gemm(linear.product()); });
  fake_cuda::has_algorithm = true;
  fake_cuda::multiplying = CUBLAS_STATUS_EXECUTION_FAILED;
  expect_error(Exit::device, {"cuBLASLt: a fake failure", "C 3x4"},
               [&] { gemm(linear.product()); });
}

TEST(GemmColumns, OperandsChangePlaces) {
  const Mat c(nullptr, 3, 5, 7);
  const ConstMat a(nullptr, 3, 4, 6), b(nullptr, 5, 4, 8);
  const ColumnProduct columns = by_columns({.c = c, .a = a, .b = b, .b_side = Side::turned}, 4);
  EXPECT_EQ(columns.first.rows, 4);  // B as stored, turned to 5 x 4
  EXPECT_EQ(columns.first.cols, 5);
  EXPECT_EQ(columns.first.stride, 8);
  EXPECT_EQ(columns.first.side, Side::turned);
  EXPECT_EQ(columns.second.rows, 4);
  EXPECT_EQ(columns.second.cols, 3);
  EXPECT_EQ(columns.second.side, Side::plain);
  EXPECT_EQ(columns.result.rows, 5);
  EXPECT_EQ(columns.result.cols, 3);
  EXPECT_EQ(columns.result.stride, 7);
}

TEST(GemmColumns, KnowsAlignment) {
  const auto at = [](std::uintptr_t address) {
    return alignment_of(reinterpret_cast<const void*>(address));
  };
  EXPECT_EQ(at(0), 256);
  EXPECT_EQ(at(0x1000), 256);
  EXPECT_EQ(at(0x1040), 64);
  EXPECT_EQ(at(0x1004), 4);
}

}  // namespace
}  // namespace test
}  // namespace dfascale
