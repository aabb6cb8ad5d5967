// What a replay runs, records and replays, and what it says when CUDA refuses: the GPU build's
// kernels/cuda/replay.cpp over a fake of CUDA's graphs (tests/support/fake_cuda).
#include "kernels/cuda/calls.hpp"
#include "kernels/gemm.hpp"
#include "kernels/profile.hpp"
#include "kernels/replay.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/fake_cuda/control.hpp"

namespace dfascale::test {
namespace {

class Replays : public testing::Test {
 protected:
  void SetUp() override { fake_cuda::launches = fake_cuda::recorded = fake_cuda::replays = 0; }
  void TearDown() override { fake_cuda::instantiating = cudaSuccess; }

  /// A kernel that appends a number to what has been computed.
  void append(int number) {
    fake_cuda::launch(static_cast<cudaStream_t>(device_.stream),
                      [this, number] { computed_.push_back(number); });
  }
  void run(const Passage& passage, int number) {
    replay_(passage, [&] {
      ++calls_;
      append(number);
      append(-number);
    });
  }

  DeviceScope scope_;
  Device device_ = scope_.device();
  Gemm gemm_{device_};
  Replay replay_{device_, gemm_};
  int calls_ = 0;
  std::vector<int> computed_;
};

TEST_F(Replays, APassageRunsThenIsRecordedThenReplayed) {
  for (int i = 0; i < 4; ++i) run({"passage"}, 5);
  EXPECT_EQ(computed_, (std::vector{5, -5, 5, -5, 5, -5, 5, -5}));
  EXPECT_EQ(calls_, 2);
  EXPECT_EQ(fake_cuda::launches, 2);
  EXPECT_EQ(fake_cuda::recorded, 2);
  EXPECT_EQ(fake_cuda::replays, 3);
}

TEST_F(Replays, NumbersByValueStayAsTheyWereRecorded) {
  for (int i = 1; i <= 3; ++i) run({"passage"}, i);
  EXPECT_EQ(computed_, (std::vector{1, -1, 2, -2, 2, -2}));  // so they belong into the key
}

TEST_F(Replays, PassagesAreToldApartByNameAndNumbers) {
  for (int i = 0; i < 3; ++i) {
    run({"passage"}, 1);
    run({"passage", {1}}, 2);
    run({"passage", {0, 1}}, 3);
    run({"other"}, 4);
  }
  const std::vector once = {1, -1, 2, -2, 3, -3, 4, -4};
  std::vector<int> thrice;
  for (int i = 0; i < 3; ++i) thrice.insert(thrice.end(), once.begin(), once.end());
  EXPECT_EQ(computed_, thrice);
  EXPECT_EQ(calls_, 8);
}

TEST_F(Replays, ArraysThatMovedAreRecordedAgain) {
  for (int i = 1; i <= 3; ++i) run({"passage"}, i);
  replay_.forget();
  run({"passage"}, 7);
  EXPECT_EQ(computed_.back(), -7);
}

TEST_F(Replays, WhereNothingCanBeRecordedPassagesRun) {
  device_ = without_graphs(device_);
  for (int i = 0; i < 3; ++i) run({"passage"}, 1);
  EXPECT_EQ(calls_, 3);
  EXPECT_EQ(fake_cuda::replays, 0);
}

TEST_F(Replays, AProfileSeesSingleProducts) {
  for (int i = 0; i < 3; ++i) run({"passage"}, 1);
  {
    const Profile profile(device_, gemm_, [](const Product&) { return "product"; });
    run({"passage"}, 2);
    EXPECT_EQ(computed_.back(), -2);
  }
  run({"passage"}, 3);
  EXPECT_EQ(computed_.back(), -1);
}

/// C (3 x 4) = A B + bias, of the same kind wherever they lie.
struct Biased {
  explicit Biased(std::uint32_t seed)
      : a(random_dense(3, 5, seed), 0),
        b(random_dense(5, 4, seed + 1), 0),
        c(random_dense(3, 4, seed + 2), 0),
        bias(to_float(random_values(4, seed + 3))) {}
  void queue(Gemm& gemm) const {
    gemm({.c = c.mat(), .a = a.view(), .b = b.view(), .bias = bias.view()});
  }
  Grid a, b, c;
  Array<float> bias;
};

// The library has one description for both, whose bias changes from call to call.
TEST_F(Replays, ProductsKeepTheirBias) {
  const Biased first(1), second(11);
  const auto work = [&] {
    first.queue(gemm_);
    second.queue(gemm_);
  };
  work();
  const oracle::Values of_first = first.c.host().values, of_second = second.c.host().values;
  for (int i = 0; i < 3; ++i) {
    for (const Biased* one : {&first, &second}) one->c.mat()(0, 0) = 0;
    replay_({"products"}, work);
    EXPECT_EQ(first.c.host().values, of_first);
    EXPECT_EQ(second.c.host().values, of_second);
  }
  EXPECT_EQ(fake_cuda::recorded, 2);
  EXPECT_EQ(fake_cuda::replays, 2);
}

int pulses = 0;

// Between products ranks send messages: none while a stream is captured.
TEST_F(Replays, NothingElseIsCalledWhileAPassageIsRecorded) {
  const Biased product(1);
  pulses = 0;
  gemm_.call_between([] {
    EXPECT_FALSE(fake_cuda::is_capturing());
    ++pulses;
  });
  const auto passage = [&] {
    replay_({"products"}, [&] {
      for (int i = 0; i < 3; ++i) product.queue(gemm_);
    });
  };
  for (const int expected : {3, 4, 5}) {
    passage();
    EXPECT_EQ(pulses, expected);
  }
}

TEST_F(Replays, WhatCannotBeRecordedIsToldWithItsPassageAndTheSwitch) {
  void* const memory = device_allocate(8);
  double value = 0;
  const auto passage = [&](const std::function<void()>& work) {
    for (int i = 0; i < 2; ++i)
      replay_({"backward", {0, 3}}, [&] {
        append(1);
        work();
      });
  };
  const std::vector<std::function<void()>> forbidden = {
      [&] { copy_to_host(device_, &value, memory, sizeof value); },
      [&] { copy_to_device(device_, memory, &value, sizeof value); },
      [&] { fence(device_); },
      [&] { device_free(device_allocate(8)); },
      [&] {  // on another stream
        fake_cuda::launch(nullptr, [] {});
        CUDA_CHECKED(cudaGetLastError());
      },
  };
  for (const auto& work : forbidden) {
    replay_.forget();
    expect_error(Exit::device,
                 {"the CUDA graph of backward 0 3 0 0: CUDA: ", "failed", "run.graphs = false"},
                 [&] { passage(work); });
    EXPECT_FALSE(fake_cuda::is_capturing());
  }
  device_free(memory);
}

TEST_F(Replays, GraphsThatCudaRefusesAreTold) {
  fake_cuda::instantiating = cudaErrorMemoryAllocation;
  expect_error(
      Exit::device,
      {"the CUDA graph of passage 0 0 0 0: CUDA: cudaGraphInstantiate failed: a fake error"}, [&] {
        run({"passage"}, 1);
        run({"passage"}, 1);
      });
}

TEST_F(Replays, CudasDefaultStreamCannotBeRecorded) {
  device_.stream = nullptr;
  expect_error(Exit::device, {"cudaStreamBeginCapture failed", "run.graphs = false"}, [&] {
    run({"passage"}, 1);
    run({"passage"}, 1);
  });
}

}  // namespace
}  // namespace dfascale::test
