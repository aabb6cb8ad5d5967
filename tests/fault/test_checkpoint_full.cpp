// A disk that fills up under several ranks: all of them say so, none waits for ever, the older
// checkpoint stays.
#include <gtest/gtest.h>

#include "io/files.hpp"
#include "tests/support/checkpoints.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/mounts.hpp"

namespace dfascale {
namespace {

class SharedDisk : public testing::Test {
 protected:
  // The first rank mounts; its path is empty if it cannot.
  void mount(const std::string& size) {
    if (ranks_.rank() == 0) disk_.emplace(size);
    path_ = ranks_.from_first(disk_ && disk_->mounted() ? disk_->path() : "");
  }
  void TearDown() override { ranks_.agree(Exit::device, ""); }

  WriterRanks ranks_ = WriterRanks::all();
  std::optional<test::SmallDisk> disk_;
  std::string path_;
};

TEST_F(SharedDisk, AllRanksThrowAndTheOlderStays) {
  mount("900k");
  if (path_.empty()) GTEST_SKIP() << "cannot mount a small tmpfs: not root?";
  CheckpointFolder folder(path_, 99, 0, ranks_);
  folder.check_writable(1);
  std::int64_t step = 0;
  const auto until_full = [&] {
    while (step < 100) {
      const auto arrays = test::some_arrays(++step);
      folder.save(test::some_meta(step),
                  test::slices_of(arrays, ranks_.rank(), ranks_.size(), test::Share::even));
    }
  };
  test::expect_error(Exit::checkpoint, {"No space left on device"}, until_full);
  ASSERT_GT(step, 1);
  EXPECT_EQ(folder.newest_good(), folder.path_of(step - 1));
  EXPECT_FALSE(exists(folder.path_of(step) + ".tmp"));
  EXPECT_TRUE(holds(test::open_checkpoint(folder.path_of(step - 1)), test::some_arrays(step - 1)));
}

}  // namespace
}  // namespace dfascale
