// Checkpoints written by any number of ranks hold the same, and all ranks agree on every failure.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>

#include "io/files.hpp"
#include "tests/support/checkpoints.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

using test::Share;

// One folder for all ranks, named by the first.
class SharedFolder {
 public:
  SharedFolder() : ranks_(WriterRanks::all()) {
    std::string name = "/tmp/dfascale-XXXXXX";
    if (ranks_.rank() == 0 && !::mkdtemp(name.data())) name.clear();
    path_ = ranks_.from_first(name);
  }
  ~SharedFolder() {
    ranks_.agree(Exit::device, "");
    std::error_code ignored;
    if (ranks_.rank() == 0) std::filesystem::remove_all(path_, ignored);
  }
  const WriterRanks& ranks() const { return ranks_; }
  CheckpointFolder checkpoints(std::int64_t keep = 2, std::int64_t every = 0,
                               int compression = 0) const {
    return {path_ + "/checkpoints", keep, every, ranks_, compression};
  }
  std::vector<ArraySlice> slices(const std::vector<test::NamedArray>& arrays, Share share) const {
    return test::slices_of(arrays, ranks_.rank(), ranks_.size(), share);
  }

 private:
  WriterRanks ranks_;
  std::string path_;
};

class RoundTrip : public testing::TestWithParam<Share> {};

TEST_P(RoundTrip, IsBitwiseOnOneRankAndOnAll) {
  const SharedFolder shared;
  CheckpointFolder folder = shared.checkpoints();
  const auto arrays = test::some_arrays(7);
  const auto slices = shared.slices(arrays, GetParam());
  folder.check_writable(CheckpointFolder::file_bytes(slices));
  const std::string path = folder.save(test::some_meta(7), slices);
  EXPECT_EQ(folder.newest_good(), path);
  EXPECT_TRUE(holds(test::open_checkpoint(path), arrays));
  EXPECT_TRUE(holds(test::open_checkpoint(path, shared.ranks()), arrays));
  EXPECT_LE(folder.times().bytes, CheckpointFolder::file_bytes(slices));
}

INSTANTIATE_TEST_SUITE_P(Checkpoint, RoundTrip,
                         testing::Values(Share::even, Share::one_owner_each, Share::first_only));

// Rows for several chunks, cut by ranks in the middle of one; and many copies of a value, so that
// compression shows.
std::vector<test::NamedArray> large_arrays() {
  std::vector<test::NamedArray> arrays = test::some_arrays(5);
  for (const auto& [path, shape] : std::vector<std::pair<std::string, std::vector<std::int64_t>>>{
           {"/params/large", {1111, 300}},
           {"/params/long", {300001}},
           {"/params/wide", {2, 200000}}}) {
    test::NamedArray array{path, shape, {}};
    array.values.resize(shape[0] * (shape.size() > 1 ? shape[1] : 1));
    for (std::size_t i = 0; i < array.values.size(); ++i)
      array.values[i] = static_cast<float>(i / 1000) - 7.5F;
    arrays.push_back(array);
  }
  return arrays;
}

TEST_P(RoundTrip, IsBitwiseWhenCompressed) {
  const SharedFolder shared;
  const auto arrays = large_arrays();
  const auto slices = shared.slices(arrays, GetParam());
  for (const int level : {1, 9}) {
    CheckpointFolder folder = shared.checkpoints(2, 0, level);
    folder.check_writable(CheckpointFolder::file_bytes(slices));
    const std::string path = folder.save(test::some_meta(level), slices);
    EXPECT_EQ(folder.newest_good(), path);
    EXPECT_TRUE(holds(CheckpointFile(path, test::contents_of(arrays), shared.ranks()), arrays));
    EXPECT_LT(folder.times().bytes, CheckpointFolder::file_bytes(slices) / 10);
    if (shared.ranks().rank() == 0) {
      for (const auto& entry : std::filesystem::directory_iterator(path.substr(0, path.rfind('/'))))
        EXPECT_FALSE(entry.path().string().ends_with(".tmp")) << entry.path();
    }
  }
}

TEST(Checkpoint, ChecksumsDoNotDependOnWhoWroteIt) {
  const SharedFolder shared;
  const auto arrays = test::some_arrays(1);
  CheckpointFolder together = shared.checkpoints();
  together.check_writable(1);
  const std::string by_all = together.save(test::some_meta(1), shared.slices(arrays, Share::even));
  test::TemporaryFolder own;
  CheckpointFolder alone(own.path(), 2, 0, WriterRanks::alone());
  const std::string by_one =
      alone.save(test::some_meta(1), test::slices_of(arrays, 0, 1, Share::even));
  EXPECT_TRUE(holds(test::open_checkpoint(by_all), arrays));
  EXPECT_TRUE(holds(test::open_checkpoint(by_one), arrays));
  const Hdf5File all = Hdf5File::open(by_all, Exit::checkpoint);
  const Hdf5File one = Hdf5File::open(by_one, Exit::checkpoint);
  for (const test::NamedArray& array : arrays)
    EXPECT_EQ(all.word_attribute(array.path, "crc32"), one.word_attribute(array.path, "crc32"));
}

TEST(Checkpoint, MetaComesBack) {
  const SharedFolder shared;
  CheckpointFolder folder = shared.checkpoints();
  folder.check_writable(1);
  const CheckpointMeta given = test::some_meta(3);
  const CheckpointFile file =
      test::open_checkpoint(folder.save(given, shared.slices(test::some_arrays(3), Share::even)));
  const CheckpointMeta& meta = file.meta();
  EXPECT_EQ(meta.step, 3);
  EXPECT_EQ(meta.tokens, given.tokens);
  EXPECT_EQ(meta.next_sample, given.next_sample);
  EXPECT_EQ(meta.flops, given.flops);
  EXPECT_EQ(meta.seconds, given.seconds);
  EXPECT_EQ(meta.seed, given.seed);
  EXPECT_EQ(meta.params, given.params);
  EXPECT_EQ(meta.feedback_checksum, given.feedback_checksum);
  EXPECT_EQ(meta.data_fingerprint, given.data_fingerprint);
  EXPECT_EQ(meta.best_val_loss, given.best_val_loss);
  EXPECT_EQ(meta.deck, given.deck);
  EXPECT_EQ(meta.revision, given.revision);
  EXPECT_EQ(meta.layout, given.layout);
  EXPECT_EQ(meta.more, given.more);
}

TEST(Checkpoint, AnyRowsCanBeRead) {
  const SharedFolder shared;
  CheckpointFolder folder = shared.checkpoints();
  folder.check_writable(1);
  const auto arrays = test::some_arrays(3);
  const CheckpointFile file =
      test::open_checkpoint(folder.save(test::some_meta(3), shared.slices(arrays, Share::even)));
  const test::NamedArray& array = arrays[2];
  std::vector<float> rows(5 * 24);
  file.read(array.path, 60, 5, rows.data());
  EXPECT_EQ(std::memcmp(rows.data(), array.values.data() + 60 * 24, rows.size() * 4), 0);
  file.read(array.path, 72, 0, nullptr);
  test::expect_error(Exit::checkpoint, {array.path, "no rows 70 to 75"},
                     [&] { file.read(array.path, 70, 5, rows.data()); });
  test::expect_error(Exit::checkpoint, {"/params/nothing", "missing"},
                     [&] { file.read("/params/nothing", 0, 1, rows.data()); });
}

// ---- every rank throws, and the older checkpoint stays

void expect_refusal(Exit code, const std::vector<std::string>& words,
                    const std::function<void(std::vector<ArraySlice>&, int)>& spoil) {
  const SharedFolder shared;
  CheckpointFolder folder = shared.checkpoints();
  folder.check_writable(1);
  const auto before = test::some_arrays(1), after = test::some_arrays(2);
  const std::string good = folder.save(test::some_meta(1), shared.slices(before, Share::even));
  auto slices = shared.slices(after, Share::even);
  spoil(slices, shared.ranks().rank());
  test::expect_error(code, words, [&] { folder.save(test::some_meta(2), slices); });
  EXPECT_EQ(folder.newest_good(), good);
  EXPECT_FALSE(exists(folder.path_of(2) + ".tmp"));
  EXPECT_TRUE(holds(test::open_checkpoint(good), before));
}

TEST(CheckpointRefusal, RowsThatNoRankWrites) {
  expect_refusal(Exit::checkpoint, {"/params/blocks.0.attn.qkv.weight", "by no rank"},
                 [](auto& slices, int rank) {
                   if (rank == 0) slices[2].rows -= 1;
                 });
}

TEST(CheckpointRefusal, RowsOutsideTheArray) {
  expect_refusal(Exit::checkpoint, {"/params/final_ln.bias", "has no rows"},
                 [](auto& slices, int rank) {
                   if (rank == 0) slices[4].rows = 25;
                 });
}

TEST(CheckpointRefusal, RowsWrittenTwice) {
  const WriterRanks ranks = WriterRanks::all();
  if (ranks.size() == 1) GTEST_SKIP() << "needs two ranks";
  expect_refusal(Exit::checkpoint, {"rows 0 to 24 of /params/blocks.0.ln1.weight", "two ranks"},
                 [arrays = test::some_arrays(2)](auto& slices, int) {
                   slices[1].first_row = 0;
                   slices[1].rows = 24;
                   slices[1].data = arrays[1].values.data();
                 });
}

TEST(CheckpointRefusal, DifferentLists) {
  const WriterRanks ranks = WriterRanks::all();
  if (ranks.size() == 1) GTEST_SKIP() << "needs two ranks";
  expect_refusal(Exit::checkpoint, {"different arrays"}, [](auto& slices, int rank) {
    if (rank == 1) slices.pop_back();
  });
}

TEST(CheckpointRefusal, NotANumber) {
  std::vector<float> spoilt(67 * 24, 1.0F);
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    spoilt[0] = bad;
    expect_refusal(Exit::numerical, {"/adam/v/token_embedding.weight", "NaN or Inf in row 0"},
                   [&](auto& slices, int rank) {
                     if (rank == 0) slices[10].data = spoilt.data();
                   });
  }
}

TEST(CheckpointRefusal, OneRankCannotReachTheFile) {
  const SharedFolder shared;
  CheckpointFolder folder = shared.checkpoints();
  folder.check_writable(1);
  const std::string good =
      folder.save(test::some_meta(1), shared.slices(test::some_arrays(1), Share::even));
  const bool last = shared.ranks().rank() == shared.ranks().size() - 1;
  test::expect_error(Exit::checkpoint, {"/nowhere/step", "no such checkpoint"},
                     [&] { test::open_checkpoint(last ? "/nowhere/step" : good, shared.ranks()); });
}

TEST(CheckpointRefusal, FolderThatCannotBeMade) {
  const WriterRanks ranks = WriterRanks::all();
  test::expect_error(Exit::checkpoint, {"cannot make the folder /dev/null/checkpoints"}, [&] {
    CheckpointFolder("/dev/null/checkpoints", 2, 0, ranks).check_writable(1);
  });
}

}  // namespace
}  // namespace dfascale
