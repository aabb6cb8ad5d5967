// Damaged, missing and foreign checkpoint files: named, never used, never a crash; the one before
// takes their place.
#include <gtest/gtest.h>

#include <random>

#include "io/checkpoint_meta.hpp"
#include "io/digest.hpp"
#include "io/files.hpp"
#include "tests/support/checkpoints.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

using test::Share;

// A run that has saved steps 1 and 2.
class Damage : public testing::Test {
 protected:
  Damage() {
    checkpoints_.check_writable(1);
    older_ = save(1);
    newer_ = save(2);
    good_ = test::read_file(newer_);
  }
  std::string save(std::int64_t step) {
    const auto arrays = test::some_arrays(step);
    return checkpoints_.save(test::some_meta(step), test::slices_of(arrays, 0, 1, Share::even));
  }
  // The damaged file is refused, and the older one found.
  void expect_fallback(const std::string& what) {
    EXPECT_THROW(test::open_checkpoint(newer_), Error) << what;
    EXPECT_EQ(checkpoints_.newest_good(), older_) << what;
  }

  test::TemporaryFolder folder_;
  CheckpointFolder checkpoints_{folder_.path(), 5, 0, WriterRanks::alone()};
  std::string older_, newer_, good_;
};

TEST_F(Damage, UndamagedIsFound) {
  EXPECT_EQ(checkpoints_.newest_good(), newer_);
  EXPECT_TRUE(holds(test::open_checkpoint(newer_), test::some_arrays(2)));
}

TEST_F(Damage, CutShort) {
  for (const double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.999}) {
    const auto length = static_cast<std::size_t>(share * static_cast<double>(good_.size()));
    test::write_file(newer_, good_.substr(0, length));
    expect_fallback("cut to " + std::to_string(length));
  }
  test::write_file(newer_, good_.substr(0, good_.size() - 1));
  expect_fallback("one byte short");
  test::expect_error(Exit::checkpoint,
                     {newer_, std::to_string(good_.size() - 1) + " bytes", "its digest says"},
                     [&] { test::open_checkpoint(newer_); });
}

TEST_F(Damage, Longer) {
  test::write_file(newer_, good_ + std::string(1, '\0'));
  expect_fallback("one byte more");
}

// Superblock and first headers byte by byte; every object's header and every part of HDF5's index,
// by their signatures; then anywhere, which is mostly values.
TEST_F(Damage, FlippedBytes) {
  std::mt19937 random(1);
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < 100; ++at) places.push_back(at);
  for (const char* signature : {"OHDR", "OCHK", "BTHD", "BTLF", "FRHP", "FHDB", "FSHD"})
    for (std::size_t at = good_.find(signature); at != std::string::npos;
         at = good_.find(signature, at + 1))
      places.push_back(at + random() % 64);
  ASSERT_GT(places.size(), 120u) << "the file's index was not found";
  for (int i = 0; i < 150; ++i) places.push_back(random() % good_.size());
  for (const std::size_t at : places) {
    std::string bad = good_;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    test::write_file(newer_, bad);
    expect_fallback("byte " + std::to_string(at));
  }
  test::write_file(newer_, good_);
  EXPECT_EQ(checkpoints_.newest_good(), newer_);
}

TEST_F(Damage, FlippedBytesInTheDigest) {
  const std::string digest = test::read_file(newer_ + ".digest");
  for (std::size_t at = 0; at < digest.size(); ++at) {
    std::string bad = digest;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    test::write_file(newer_ + ".digest", bad);
    expect_fallback("digest byte " + std::to_string(at));
  }
}

TEST_F(Damage, DigestMissingOrEmpty) {
  test::write_file(newer_ + ".digest", "");
  expect_fallback("empty digest");
  // Nothing says that the file is damaged: to go back behind it would throw work away.
  remove_file(newer_ + ".digest");
  test::expect_error(Exit::checkpoint,
                     {newer_, "digest is missing", "not say", "nothing was changed"},
                     [&] { checkpoints_.newest_good(); });
  test::expect_error(Exit::checkpoint, {newer_ + ".digest is missing"},
                     [&] { test::open_checkpoint(newer_); });
}

TEST_F(Damage, AllBroken) {
  test::write_file(newer_, "x");
  test::write_file(older_, "y");
  test::expect_error(Exit::checkpoint, {"2 checkpoints", "none of them is good"},
                     [&] { checkpoints_.newest_good(); });
}

// A file may be whole and yet hold another array than was saved, if a program wrote it wrongly.
TEST_F(Damage, ArrayThatDoesNotMatchItsChecksum) {
  const auto arrays = test::some_arrays(2);
  Hdf5File file = Hdf5File::create(newer_, Exit::checkpoint);
  write_meta(file, test::some_meta(2));
  for (const test::NamedArray& array : arrays) {
    file.make_array(array.path, array.shape);
    write_at(open_to_write(newer_), file.place_of(array.path),
             {reinterpret_cast<const char*>(array.values.data()), 4 * array.values.size()}, newer_);
    file.set_attribute(array.path, "crc32", std::uint64_t{1});
  }
  file.close();
  test::write_file(newer_ + ".digest", digest_of(newer_, WriterRanks::alone()));
  test::expect_error(Exit::checkpoint, {newer_, "/adam/m/blocks.0.attn.qkv.weight", "checksum"},
                     [&] { test::open_checkpoint(newer_); });
}

TEST_F(Damage, OtherFormat) {
  Hdf5File file = Hdf5File::create(newer_, Exit::checkpoint);
  file.make_group("/meta");
  file.set_attribute("/meta", "format_version", std::int64_t{99});
  file.close();
  test::write_file(newer_ + ".digest", digest_of(newer_, WriterRanks::alone()));
  test::expect_error(Exit::checkpoint, {newer_, "format 99", "reads 1"},
                     [&] { test::open_checkpoint(newer_); });
}

TEST_F(Damage, SomethingElse) {
  const std::string golden = std::string(DFASCALE_SOURCE_DIR) + "/tests/golden/tied_l1.h5";
  test::write_file(newer_, test::read_file(golden));
  test::write_file(newer_ + ".digest", digest_of(newer_, WriterRanks::alone()));
  test::expect_error(Exit::checkpoint, {newer_, "not a checkpoint", "/meta"},
                     [&] { test::open_checkpoint(newer_); });
  test::write_file(newer_, "text");
  test::write_file(newer_ + ".digest", digest_of(newer_, WriterRanks::alone()));
  test::expect_error(Exit::checkpoint, {newer_, "not a readable HDF5 file"},
                     [&] { test::open_checkpoint(newer_); });
}

TEST_F(Damage, WrongPaths) {
  test::expect_error(Exit::checkpoint, {"nowhere.h5", "no such checkpoint"},
                     [&] { test::open_checkpoint(folder_ / "nowhere.h5"); });
  test::expect_error(Exit::checkpoint, {"a folder", "/latest"},
                     [&] { test::open_checkpoint(folder_.path()); });
}

TEST_F(Damage, LatestIsAConvenienceOnly) {
  EXPECT_EQ(test::open_checkpoint(folder_ / "latest").meta().step, 2);
  remove_file(folder_ / "latest");
  EXPECT_EQ(checkpoints_.newest_good(), newer_);
  save(3);
  EXPECT_EQ(test::open_checkpoint(folder_ / "latest").meta().step, 3);
}

TEST_F(Damage, ForeignFilesAreNoCheckpoints) {
  for (const char* name : {"step_.h5", "step_9x.h5", "step_00000009.h5.tmp", "stepp_9.h5",
                           "step_00000009.h5.abandoned", "step_99999999999999999999.h5"})
    test::write_file(folder_ / name, "x");
  EXPECT_EQ(checkpoints_.steps(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(checkpoints_.newest_good(), newer_);
}

}  // namespace
}  // namespace dfascale
