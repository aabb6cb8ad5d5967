// The order of samples, and batches as functions of (seed, step, sequence).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "data/batches.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

using test::expect_error;

std::vector<std::int64_t> epoch_of(const SampleOrder& order, std::int64_t samples,
                                   std::int64_t epoch) {
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < samples; ++i) places.push_back(order.at(epoch * samples + i));
  return places;
}

TEST(SampleOrder, IsAPermutationOfEveryEpoch) {
  for (const std::int64_t samples : {1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, 4097, 70000})
    for (const std::uint64_t seed : {0ull, 1ull, 0xffffffffffffffffull})
      for (const std::int64_t epoch : {0, 1, 5}) {
        std::vector<std::int64_t> places = epoch_of(SampleOrder(seed, samples), samples, epoch);
        std::sort(places.begin(), places.end());
        std::vector<std::int64_t> expected(static_cast<std::size_t>(samples));
        std::iota(expected.begin(), expected.end(), 0);
        ASSERT_EQ(places, expected) << samples << " " << seed << " " << epoch;
      }
}

TEST(SampleOrder, DiffersBySeedAndEpoch) {
  constexpr std::int64_t samples = 100;
  const auto first = epoch_of(SampleOrder(1, samples), samples, 0);
  EXPECT_EQ(first, epoch_of(SampleOrder(1, samples), samples, 0));
  EXPECT_NE(first, epoch_of(SampleOrder(1, samples), samples, 1));
  EXPECT_NE(first, epoch_of(SampleOrder(2, samples), samples, 0));
  EXPECT_NE(first, epoch_of(SampleOrder(1ull << 32 | 1, samples), samples, 0));
}

TEST(SampleOrder, MixesLikeAShuffle) {
  // Over many seeds every place gets every sample about equally often: chi-square of a 5 x 5 table
  // with fixed margins, 16 degrees of freedom; the limit is 8 standard deviations above the mean.
  constexpr int samples = 5, seeds = 5000;
  double counts[samples][samples] = {};
  for (std::uint64_t seed = 0; seed < seeds; ++seed)
    for (int i = 0; i < samples; ++i) counts[i][SampleOrder(seed, samples).at(i)] += 1;
  double chi_square = 0;
  for (const auto& place : counts)
    for (const double count : place)
      chi_square += std::pow(count - seeds / samples, 2) / (seeds / samples);
  EXPECT_LT(chi_square, 16 + 8 * std::sqrt(2.0 * 16));
}

TEST(SampleOrder, HandlesSizesBeyond32Bits) {
  const std::int64_t samples = (std::int64_t{1} << 40) + 12345;
  const SampleOrder order(3, samples);
  std::set<std::int64_t> seen;
  for (std::int64_t i = 0; i < 2000; ++i) {
    const std::int64_t at = order.at(i);
    ASSERT_GE(at, 0);
    ASSERT_LT(at, samples);
    seen.insert(at);
  }
  EXPECT_EQ(seen.size(), 2000u);
  EXPECT_GT(*seen.rbegin(), samples / 2);
}

/// 103 tokens that count up, in two shards.
class BatchesTest : public testing::Test {
 protected:
  BatchesTest() {
    std::vector<std::uint16_t> tokens(103);
    std::iota(tokens.begin(), tokens.end(), std::uint16_t{0});
    for (const char* split : {"train", "valid"}) {
      const std::string name = split;
      test::write_file(folder_ / (name + "_0.bin"),
                       test::llmc_bytes({tokens.begin(), tokens.begin() + 33}));
      test::write_file(folder_ / (name + "_1.bin"),
                       test::llmc_bytes({tokens.begin() + 33, tokens.end()}));
    }
  }
  TokenStream stream(Split split) const {
    return TokenStream::open(folder_.path(), split, TokenFormat::llmc);
  }
  BatchSource source(std::uint64_t seed, double epochs = 1) const {
    return {stream(Split::train), 10, 4, seed, epochs};
  }

  test::TemporaryFolder folder_;
};

TEST_F(BatchesTest, SampleIsContextPlusOneTokens) {
  Batch batch;
  source(1).fill(0, 0, 4, batch);
  ASSERT_EQ(batch.inputs.size(), 40u);
  for (std::size_t row = 0; row < 4; ++row) {
    EXPECT_EQ(batch.inputs[row * 10] % 10, 0);  // the stride is the context
    for (std::size_t t = 0; t < 10; ++t) {
      EXPECT_EQ(batch.inputs[row * 10 + t], batch.inputs[row * 10] + static_cast<std::int32_t>(t));
      EXPECT_EQ(batch.targets[row * 10 + t], batch.inputs[row * 10 + t] + 1);
    }
  }
}

TEST_F(BatchesTest, AnEpochReadsEverySampleOnce) {
  const BatchSource batches = source(7, 2);
  EXPECT_EQ(batches.samples_per_epoch(), 10);
  EXPECT_EQ(batches.available_tokens(), 200);
  Batch batch;
  std::multiset<std::int32_t> seen;
  for (std::int64_t step = 0; step < 5; ++step) {  // 5 steps of 4 sequences: two epochs of 10
    batches.fill(step, 0, 4, batch);
    for (std::size_t row = 0; row < 4; ++row) seen.insert(batch.inputs[row * 10]);
  }
  for (std::int32_t sample = 0; sample < 10; ++sample) EXPECT_EQ(seen.count(sample * 10), 2u);
}

TEST_F(BatchesTest, AnyLayoutReadsTheSame) {
  const BatchSource batches = source(7, 3);
  Batch whole, part;
  for (std::int64_t step = 0; step < 7; ++step) {
    batches.fill(step, 0, 4, whole);
    for (const std::int64_t width : {1, 2, 3}) {
      for (std::int64_t first = 0; first + width <= 4; ++first) {
        batches.fill(step, first, width, part);
        ASSERT_EQ(part.sequences, width);
        const auto begin = static_cast<std::ptrdiff_t>(first * 10),
                   end = begin + static_cast<std::ptrdiff_t>(width * 10);
        EXPECT_EQ(part.inputs, std::vector<std::int32_t>(whole.inputs.begin() + begin,
                                                         whole.inputs.begin() + end));
        EXPECT_EQ(part.targets, std::vector<std::int32_t>(whole.targets.begin() + begin,
                                                          whole.targets.begin() + end));
      }
    }
  }
}

TEST_F(BatchesTest, FillsInPlace) {
  const BatchSource batches = source(7);
  Batch batch;
  batches.fill(0, 0, 4, batch);
  const std::int32_t* before = batch.inputs.data();
  batches.fill(1, 0, 4, batch);
  EXPECT_EQ(batch.inputs.data(), before);
}

TEST_F(BatchesTest, BudgetBeyondTheEpochsIsAnError) {
  EXPECT_NO_THROW(source(1).check_budget(100));
  EXPECT_NO_THROW(source(1, 2.5).check_budget(250));
  expect_error(Exit::data, {"optim.tokens = 101", "100 training tokens", "data.epochs to 1.01"},
               [&] { source(1).check_budget(101); });
}

TEST_F(BatchesTest, TooShortForOneSample) {
  expect_error(Exit::data, {"103 tokens", "model.context = 103", "104"},
               [&] { BatchSource(stream(Split::train), 103, 4, 1, 1.0); });
  EXPECT_EQ(BatchSource(stream(Split::train), 102, 4, 1, 1.0).samples_per_epoch(), 1);
}

TEST_F(BatchesTest, ValidationIsFixedSpreadAndDisjoint) {
  const ValidationSet set(stream(Split::valid), 10, 4);
  EXPECT_EQ(set.sequences(), 4);
  Batch batch;
  set.fill(0, 4, batch);
  const std::vector<std::int32_t> firsts = {batch.inputs[0], batch.inputs[10], batch.inputs[20],
                                            batch.inputs[30]};
  EXPECT_EQ(firsts, (std::vector<std::int32_t>{0, 20, 50, 70}));
  Batch tail;
  set.fill(2, 2, tail);
  EXPECT_EQ(tail.inputs, std::vector<std::int32_t>(batch.inputs.begin() + 20, batch.inputs.end()));
  EXPECT_EQ(tail.targets.back(), 80);
}

TEST_F(BatchesTest, ValidationNeedsEnoughSequences) {
  EXPECT_NO_THROW(ValidationSet(stream(Split::valid), 10, 10));
  expect_error(Exit::data, {"data.valid_sequences = 11", "10 sequences"},
               [&] { ValidationSet(stream(Split::valid), 10, 11); });
}

}  // namespace
}  // namespace dfascale
