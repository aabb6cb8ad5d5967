// What the GPU build does around its kernels: cards, memory, errors, and how products reach
// cuBLASLt.  Over fakes of CUDA and cuBLASLt (tests/support/fake_cuda) that this program is linked
// with; test_gemm.cpp, linked with it too, compares the products themselves.
#include "base/clock.hpp"
#include "kernels/activation_store.hpp"
#include "kernels/gemm.hpp"
#include "kernels/gemm_columns.hpp"
#include "kernels/profile.hpp"
#include "kernels/residual.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/fake_cuda/control.hpp"

namespace dfascale {

namespace launch {  // of kernels/launch/cuda.hpp, which is for nvcc
void begin_launch(const char* name);
void end_launch(const char* name);
}  // namespace launch

/// The kernels that products use: nvcc's in a GPU build.
void add(const Device&, Stored y, ConstStored a, ConstMat b) {
  with_type(y.precision, [&]<class T>(T) {
    const Matrix<T> to = y.as<T>();
    const Matrix<const T> from = a.as<const T>();
    for (std::int64_t r = 0; r < y.rows; ++r)
      for (std::int64_t c = 0; c < y.cols; ++c) to(r, c) = from(r, c) + b(r, c);
  });
}

/// Of a bias, to bf16.
void convert(const Device&, Stored y, ConstStored a, float factor) {
  launch::begin_launch("convert");
  const Matrix<Bf16> to = y.as<Bf16>();
  const ConstMat from = a.as<const float>();
  for (std::int64_t c = 0; c < y.cols; ++c) to(0, c) = factor * from(0, c);
  launch::end_launch("convert");
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
    fake_cuda::pinned = std::size_t{1} << 30;
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

TEST_F(Card, PinnedMemoryThatIsNotThereIsToldWithTheCure) {
  fake_cuda::pinned = 1 << 20;
  expect_error(Exit::device, {"no pinned memory on the host for 2.1 MB", "run.memory"},
               [] { const ActivationStore store(on, "host", std::int64_t{1} << 21); });
}

/// Copies of a store begin after the kernels that were queued before, and kernels after what is
/// waited for; errors of copies are told.
TEST_F(Card, TransfersOfAStoreWaitForKernels) {
  ActivationStore store(on, "host", store_page);
  void* memory = device_allocate(store_page);
  const Vector<std::byte> page{static_cast<std::byte*>(memory), store_page};
  fake_cuda::unordered = 0;
  store.begin_save(0, page);
  store.wait(store.begin_fetch(0, page));
  EXPECT_EQ(fake_cuda::unordered, 0);
  fake_cuda::copying = cudaErrorIllegalAddress;
  expect_error(Exit::device, {"CUDA: cuda", "failed"}, [&] { store.begin_save(0, page); });
  expect_error(Exit::device, {"CUDA: cudaStreamWaitEvent failed"}, [&] { store.wait(1); });
  fake_cuda::copying = cudaSuccess;
  device_free(memory);
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

TEST_F(Card, EachPrecisionIsAKindOfItsOwn) {
  Gemm gemm(on);
  const oracle::Dense values = random_dense(8, 8, 1);
  const Grid whole(values, 0);
  const HalfGrid half(values, 0);
  for (int i = 0; i < 2; ++i) {
    gemm({.c = whole.mat(), .a = whole.view(), .b = whole.view()});
    gemm({.c = whole.mat(), .a = half.view(), .b = half.view()});
    gemm({.c = half.mat(), .a = half.view(), .b = half.view()});
  }
  EXPECT_EQ(fake_cuda::plans, 3);
}

/// The bias before it is rounded, and as it is added to a bf16 result.
struct Biases {
  explicit Biases(std::int64_t size)
      : exact(random_values(size, 4)), added(rounded({1, size, exact}).values) {}
  oracle::Values exact, added;
};

// The library takes a bias in the result's type: it is rounded first, then added in float, and the
// sum rounded once.  The operands' products and sums are exact here.
TEST_F(Card, TheBiasOfAHalfResultIsRoundedBeforeItIsAdded) {
  Gemm gemm(on);
  const std::int64_t m = 5, n = 300;
  const oracle::Dense ones(m, 1, oracle::Values{1, -2, 0.5, 4, -0.25});
  const oracle::Dense row = rounded(random_dense(1, n, 2));
  const HalfGrid a(ones, 0), b(row, 0), before(rounded(random_dense(m, n, 3)), 3);
  const Biases bias(n);
  const Array<float> exact(to_float(bias.exact)), added(to_float(bias.added));
  for (const Into into : {Into::overwrite, Into::add}) {
    const HalfGrid got(before.host(), 3), same(before.host(), 3), unrounded(before.host(), 3);
    gemm({.c = got.mat(), .a = a.view(), .b = b.view(), .into = into, .bias = exact.view()});
    gemm_reference(
        {.c = same.mat(), .a = a.view(), .b = b.view(), .into = into, .bias = added.view()});
    gemm_reference(
        {.c = unrounded.mat(), .a = a.view(), .b = b.view(), .into = into, .bias = exact.view()});
    EXPECT_EQ(got.host().values, same.host().values);
    const oracle::Dense found = got.host(), wanted = unrounded.host();
    EXPECT_NE(found.values, wanted.values) << "nothing was rounded";
    for (std::int64_t r = 0; r < m; ++r) {
      for (std::int64_t c = 0; c < n; ++c) {
        // Rounding the bias, and the sum here and there.
        const double allowed = 0x1p-8 * (std::abs(bias.exact[static_cast<std::size_t>(c)]) +
                                         std::abs(found(r, c)) + std::abs(wanted(r, c)));
        ASSERT_LE(std::abs(found(r, c) - wanted(r, c)), allowed) << r << ", " << c;
      }
    }
  }
}

// Rounding it is a kernel of its own: a profile must not count its time for the product as well.
TEST_F(Card, TheTimeOfRoundingABiasIsCountedOnce) {
  Gemm gemm(on);
  const std::int64_t n = std::int64_t{1} << 19;
  const HalfGrid a(oracle::Dense(1, 1), 0), b(oracle::Dense(1, n), 0), c(oracle::Dense(1, n), 0);
  const Array<float> bias(std::vector<float>(static_cast<std::size_t>(n)));
  const Product product{.c = c.mat(), .a = a.view(), .b = b.view(), .bias = bias.view()};
  gemm(product);  // opens the library
  const Profile profile(on, gemm, [](const Product&) { return "product"; });
  const double start = seconds_now();
  gemm(product);
  const double all = seconds_now() - start;
  EXPECT_EQ(profile.entries().at("convert").calls, 1);
  EXPECT_EQ(profile.entries().at("product").calls, 1);
  EXPECT_LE(profile.entries().at("convert").seconds + profile.entries().at("product").seconds, all);
}

// A float result takes it as it is.
TEST_F(Card, TheBiasOfAFloatResultIsNotRounded) {
  Gemm gemm(on);
  const HalfGrid a(oracle::Dense(1, 1), 0), b(oracle::Dense(1, 9), 0);
  const Grid c(oracle::Dense(1, 9), 0);
  const oracle::Values bias = random_values(9, 4);
  const Array<float> exact(to_float(bias));
  gemm({.c = c.mat(), .a = a.view(), .b = b.view(), .bias = exact.view()});
  EXPECT_EQ(c.host().values, bias);
}

TEST_F(Card, ABiasBeyondItsRoomIsRefused) {
  Gemm gemm(on);
  const std::int64_t n = (std::int64_t{1} << 19) + 1;
  const HalfGrid a(oracle::Dense(1, 1), 0), b(oracle::Dense(1, n), 0), c(oracle::Dense(1, n), 0);
  const Array<float> bias(std::vector<float>(static_cast<std::size_t>(n)));
  expect_error(Exit::device, {"a bias of more than 524288 elements", "C 1x524289"},
               [&] { gemm({.c = c.mat(), .a = a.view(), .b = b.view(), .bias = bias.view()}); });
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

TEST_F(Card, AlignmentIsCountedInBytesInHalfPrecisionToo) {
  Gemm gemm(on);
  const Array<Bf16> memory(std::vector<Bf16>(4096, 1.0f));
  const HalfGrid b(random_dense(8, 8, 2), 0);
  for (const std::int64_t at : {0, 128, 4, 2, 1, 16, 3, 64}) {
    const Matrix<const Bf16> a(memory.data() + at, 8, 8);
    gemm({.c = Matrix<Bf16>(memory.data() + 2048 + at, 8, 8), .a = a, .b = b.view()});
  }
  EXPECT_EQ(fake_cuda::plans, 6);  // 256, 8, 4, 2, 32 and 128 bytes
}

// What the fake's word is worth: types that the library has no products of are refused.
TEST_F(Card, TheFakeKnowsWhichTypesTheLibraryMultiplies) {
  const auto answer = [](cudaDataType a, cudaDataType b, cudaDataType c) {
    cublasLtMatmulDesc_t operation = nullptr;
    cublasLtMatmulPreference_t preference = nullptr;
    cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    cublasLtMatmulPreferenceCreate(&preference);
    const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                         &reductions, sizeof reductions);
    cublasLtMatrixLayout_t layouts[3] = {};
    const cudaDataType types[3] = {a, b, c};
    for (int i = 0; i < 3; ++i) cublasLtMatrixLayoutCreate(&layouts[i], types[i], 4, 4, 4);
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(nullptr, operation, layouts[0], layouts[1], layouts[2],
                                       layouts[2], preference, 1, &result, &found);
    for (cublasLtMatrixLayout_t layout : layouts) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulPreferenceDestroy(preference);
    cublasLtMatmulDescDestroy(operation);
    return status;
  };
  EXPECT_EQ(answer(CUDA_R_32F, CUDA_R_32F, CUDA_R_32F), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(answer(CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(answer(CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(answer(CUDA_R_32F, CUDA_R_32F, CUDA_R_16BF), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(answer(CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F), CUBLAS_STATUS_NOT_SUPPORTED);
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
  const StoredMatrix<const void> half(nullptr, 3, 4, 6, Precision::bf16);
  EXPECT_EQ(by_columns({.c = c, .a = half, .b = half}, 4).first.precision, Precision::bf16);
  EXPECT_EQ(by_columns({.c = c, .a = half, .b = half}, 4).result.precision, Precision::f32);
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
