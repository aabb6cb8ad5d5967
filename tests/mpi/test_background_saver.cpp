// Checkpoints written in the background: what they hold, and what happens meanwhile and afterwards.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <thread>

#include "comm/session.hpp"
#include "io/background_saver.hpp"
#include "io/files.hpp"
#include "tests/support/checkpoints.hpp"
#include "tests/support/errors.hpp"

namespace dfascale {
namespace {

using test::Share;

class Background : public testing::Test {
 protected:
  Background() {
    std::string name = "/tmp/dfascale-XXXXXX";
    if (ranks_.rank() == 0 && !::mkdtemp(name.data())) name.clear();
    path_ = ranks_.from_first(name);
    folder_.emplace(path_ + "/checkpoints", 2, 0, ranks_);
    folder_->check_writable(1);
  }
  ~Background() override {
    ranks_.agree(Exit::device, "");
    std::error_code ignored;
    if (ranks_.rank() == 0) std::filesystem::remove_all(path_, ignored);
  }
  std::vector<ArraySlice> slices(const std::vector<test::NamedArray>& arrays) const {
    return test::slices_of(arrays, ranks_.rank(), ranks_.size(), Share::even);
  }
  /// Like training: the values change as soon as the call returns.
  void save_and_overwrite(BackgroundSaver& saver, std::int64_t step) const {
    auto arrays = test::some_arrays(step);
    saver.save(test::some_meta(step), slices(arrays));
    for (test::NamedArray& array : arrays) std::fill(array.values.begin(), array.values.end(), NAN);
  }

  const Comm comm_;
  const WriterRanks ranks_ = WriterRanks::all();
  std::string path_;
  std::optional<CheckpointFolder> folder_;
};

TEST_F(Background, HoldsTheValuesOfTheCall) {
  BackgroundSaver saver(*folder_);
  save_and_overwrite(saver, 1);
  const std::vector<Saved> saved = saver.wait();
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(saved[0].step, 1);
  EXPECT_EQ(saved[0].path, folder_->path_of(1));
  EXPECT_TRUE(holds(test::open_checkpoint(saved[0].path), test::some_arrays(1)));
  EXPECT_TRUE(saver.wait().empty()) << "a save is told once";
  EXPECT_NE(describe(saved[0]).find("training waited for"), std::string::npos);
}

TEST_F(Background, OthersMayTalkMeanwhile) {
  BackgroundSaver saver(*folder_);
  std::vector<std::int64_t> told;
  for (std::int64_t step = 1; step <= 5; ++step) {
    save_and_overwrite(saver, step);
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(comm_.sum(std::int64_t{1}), ranks_.size());
      for (const Saved& saved : saver.ended()) told.push_back(saved.step);
    }
  }
  for (const Saved& saved : saver.wait()) told.push_back(saved.step);
  EXPECT_EQ(told, (std::vector<std::int64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(folder_->newest_good(), folder_->path_of(5));
  for (const std::int64_t step : {4, 5})
    EXPECT_TRUE(holds(test::open_checkpoint(folder_->path_of(step)), test::some_arrays(step)));
}

TEST_F(Background, TheCallerWaitsForTheCopyOnly) {
  constexpr std::int64_t rows = 4 << 20;  // 16 MB
  const std::vector<float> values(rows, 1.0F);
  const std::int64_t first = rows * ranks_.rank() / ranks_.size(),
                     end = rows * (ranks_.rank() + 1) / ranks_.size();
  BackgroundSaver saver(*folder_);
  saver.save(test::some_meta(1),
             {{"/params/a", {rows}, first, end - first, values.data() + first}});
  const Saved in_background = saver.wait().at(0);
  EXPECT_LT(in_background.stall_seconds, in_background.total_seconds / 2);
  saver.save_now(test::some_meta(2),
                 {{"/params/a", {rows}, first, end - first, values.data() + first}});
  const Saved in_foreground = saver.wait().at(0);
  EXPECT_EQ(in_foreground.stall_seconds, in_foreground.total_seconds);
  EXPECT_EQ(in_foreground.times.bytes, in_background.times.bytes);
}

// Twice the copies of all ranks here must be free: below that nothing is copied.
TEST_F(Background, InTheForegroundWhereMemoryIsShort) {
  std::int64_t bytes = 0;
  for (const test::NamedArray& array : test::some_arrays(1))
    bytes += static_cast<std::int64_t>(4 * array.values.size());
  for (const std::int64_t free : {2 * bytes, 2 * bytes - 2}) {
    BackgroundSaver saver(*folder_, [&] { return free; });
    save_and_overwrite(saver, 1);
    const Saved saved = saver.wait().at(0);
    EXPECT_EQ(saved.stall_seconds == saved.total_seconds, free < 2 * bytes);
    EXPECT_TRUE(holds(test::open_checkpoint(saved.path), test::some_arrays(1)));
  }
}

// One rank's trouble comes to all, at their next question; then all goes on.
TEST_F(Background, ErrorsComeToAllRanks) {
  BackgroundSaver saver(*folder_);
  save_and_overwrite(saver, 1);
  saver.wait();
  auto arrays = test::some_arrays(2);
  if (ranks_.rank() == ranks_.size() - 1) arrays[0].values.back() = INFINITY;
  saver.save(test::some_meta(2), slices(arrays));
  test::expect_error(Exit::numerical, {arrays[0].path, "NaN or Inf"}, [&] { saver.wait(); });
  EXPECT_EQ(folder_->newest_good(), folder_->path_of(1));
  save_and_overwrite(saver, 3);
  EXPECT_EQ(saver.wait().at(0).step, 3);
}

TEST_F(Background, ErrorsComeWithoutWaiting) {
  BackgroundSaver saver(*folder_);
  on_first(ranks_, Exit::checkpoint, [&] { std::filesystem::remove_all(path_ + "/checkpoints"); });
  save_and_overwrite(saver, 1);
  const auto until_told = [&] {
    for (int i = 0; i < 2000; ++i) {
      EXPECT_TRUE(saver.ended().empty());
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  };
  test::expect_error(Exit::checkpoint, {"checkpoint of step 1 not written", "No such file"},
                     until_told);
}

TEST_F(Background, TheDestructorWaits) {
  {
    BackgroundSaver saver(*folder_);
    save_and_overwrite(saver, 1);
  }
  EXPECT_EQ(folder_->newest_good(), folder_->path_of(1));
}

}  // namespace
}  // namespace dfascale
