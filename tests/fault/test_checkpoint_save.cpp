// Saving when things go wrong: killed at any moment, disk full, read-only; and which checkpoints
// stay.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <random>

#include "io/digest.hpp"
#include "io/files.hpp"
#include "io/run_folder.hpp"
#include "tests/support/checkpoints.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"
#include "tests/support/mounts.hpp"

namespace dfascale {
namespace {

using test::Share;

std::string save(CheckpointFolder& folder, std::int64_t step) {
  const auto arrays = test::some_arrays(step);
  return folder.save(test::some_meta(step), test::slices_of(arrays, 0, 1, Share::even));
}

CheckpointFolder folder_at(const std::string& path, std::int64_t keep = 2, std::int64_t every = 0) {
  CheckpointFolder folder(path, keep, every, WriterRanks::alone());
  folder.check_writable(1);
  return folder;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// ---- which stay

TEST(Keep, TheLastFew) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place.path(), 3);
  for (std::int64_t step = 10; step <= 70; step += 10) save(folder, step);
  EXPECT_EQ(names_in(place.path()),
            (std::vector<std::string>{"latest", "step_00000050.h5", "step_00000050.h5.digest",
                                      "step_00000060.h5", "step_00000060.h5.digest",
                                      "step_00000070.h5", "step_00000070.h5.digest"}));
}

TEST(Keep, EveryNth) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place.path(), 1, 30);
  for (std::int64_t step = 10; step <= 100; step += 10) save(folder, step);
  EXPECT_EQ(folder.steps(), (std::vector<std::int64_t>{30, 60, 90, 100}));
}

TEST(Keep, TheNewlySavedAlsoAfterAnOlderRestart) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place.path(), 1);
  save(folder, 100);
  const std::string path = save(folder, 50);
  EXPECT_TRUE(exists(path));
  EXPECT_EQ(folder.steps(), (std::vector<std::int64_t>{50, 100}));
}

TEST(Keep, AnAbandonedFutureIsNotTaken) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place.path(), 5);
  for (const std::int64_t step : {1, 2, 3}) save(folder, step);
  folder.abandon_after(1);
  EXPECT_EQ(folder.newest_good(), folder.path_of(1));
  EXPECT_FALSE(damage_of(folder.path_of(3) + ".abandoned", WriterRanks::alone()));
  EXPECT_EQ(std::filesystem::read_symlink(place / "latest"), "step_00000001.h5");
  save(folder, 2);
  EXPECT_EQ(folder.newest_good(), folder.path_of(2));
}

// ---- killed

TEST(Keep, EachAbandonedFutureHasItsOwnName) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place.path(), 5);
  save(folder, 1);
  for (const char* name : {".abandoned", ".abandoned.2"}) {
    save(folder, 2);
    folder.abandon_after(1);
    EXPECT_FALSE(damage_of(folder.path_of(2) + name, WriterRanks::alone())) << name;
  }
}

// Somebody moved a checkpoint away, and has other files here.
TEST(Keep, FilesOfOthers) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place.path());
  save(folder, 1);
  rename_over(folder.path_of(1), place / "elsewhere");
  for (const char* name : {"notes.tmp", "notes.digest", "notes.digest.new"})
    test::write_file(place / name, "mine");
  const auto before = names_in(place.path());
  folder.check_writable(1);
  EXPECT_EQ(names_in(place.path()), before);
  rename_over(place / "elsewhere", folder.path_of(1));
  EXPECT_EQ(folder.newest_good(), folder.path_of(1));
}

TEST(Killed, LeftoversAreRemovedAndNeverTaken) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place.path());
  const std::string good = save(folder, 1);
  const auto before = names_in(place.path());
  for (const char* name : {"step_00000002.h5.tmp", "step_00000002.h5.digest.new",
                           "step_00000002.h5.digest.new.tmp", "latest.tmp"})
    test::write_file(place / name, "half");
  EXPECT_EQ(folder.newest_good(), good);
  folder.check_writable(1);
  EXPECT_EQ(names_in(place.path()), before);
  EXPECT_EQ(folder.newest_good(), good);
}

// ".digest" in a folder's own name says nothing of the files in it.
TEST(Killed, NoCheckpointIsALeftoverWhateverItsFolderIsCalled) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place / "my.digest/checkpoints");
  make_folder(place / "my.digest/checkpoints");
  const std::string good = save(folder, 1);
  folder.check_writable(1);
  EXPECT_EQ(folder.newest_good(), good);
}

// The same step saved again: between two renames old or new file match one of two digests.
TEST(Killed, WhileAStepIsReplaced) {
  const test::TemporaryFolder place, other;
  CheckpointFolder folder = folder_at(place.path()), elsewhere = folder_at(other.path());
  const std::string path = save(folder, 1);
  const auto arrays = test::some_arrays(77);
  const std::string replacement =
      elsewhere.save(test::some_meta(1), test::slices_of(arrays, 0, 1, Share::even));
  stage_digest(path, test::read_file(replacement + ".digest"));
  EXPECT_TRUE(holds(test::open_checkpoint(path), test::some_arrays(1)));
  rename_over(replacement, path);
  EXPECT_TRUE(holds(test::open_checkpoint(path), arrays));
  folder.check_writable(1);
  EXPECT_EQ(folder.newest_good(), path);
  settle_digest(path);
  EXPECT_TRUE(holds(test::open_checkpoint(path), arrays));
}

// A child saves one step after another, the first again and again; it is killed at some moment.
void save_for_ever(const std::string& place) {
  CheckpointFolder folder(place, 2, 0, WriterRanks::alone());
  for (std::int64_t step = 2;; ++step) save(folder, step);
}

TEST(Killed, AtRandomMoments) {
  constexpr int rounds = 30;
  std::mt19937 random(static_cast<unsigned>(::getpid()));
  for (int round = 0; round < rounds; ++round) {
    const test::TemporaryFolder place;
    CheckpointFolder folder = folder_at(place.path());
    save(folder, 1);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      save_for_ever(place.path());
      ::_exit(0);
    }
    ::usleep(random() % 60'000);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
    const std::vector<std::int64_t> steps = folder.steps();
    const auto newest = folder.newest_good();
    ASSERT_EQ(newest, folder.path_of(steps.back())) << "a file under its final name is broken";
    EXPECT_TRUE(holds(test::open_checkpoint(*newest), test::some_arrays(steps.back())));
    folder.check_writable(1);
    save(folder, steps.back() + 1);
    EXPECT_LE(folder.steps().size(), 2u);
  }
}

// ---- no room

TEST(DiskFull, SaveFailsCleanlyAndTheOlderStays) {
  const test::SmallDisk disk("900k");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  CheckpointFolder folder = folder_at(disk.path() + "/checkpoints", 99);
  std::int64_t step = 0;
  const auto until_full = [&] {
    while (step < 100) save(folder, ++step);
  };
  test::expect_error(Exit::checkpoint, {"not written", "No space left on device"}, until_full);
  ASSERT_GT(step, 1);
  EXPECT_EQ(folder.newest_good(), folder.path_of(step - 1));
  EXPECT_FALSE(exists(folder.path_of(step) + ".tmp"));
  remove_file(folder.path_of(1));
  EXPECT_EQ(save(folder, step), folder.path_of(step));
}

// Where room cannot be reserved, HDF5's own write fails; the program must still end in order.
TEST(DiskFull, WhileHdf5Writes) {
  const test::SmallDisk disk("200k");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  const auto write = [&] {
    Hdf5File file = Hdf5File::create(disk.path() + "/x.h5", Exit::checkpoint);
    file.write_text("/a", std::string(300 << 10, 'x'));
    file.close();
  };
  test::expect_error(Exit::checkpoint, {"/x.h5", "No space left on device"}, write);
}

TEST(DiskFull, SaidBeforeTheFirstStep) {
  const test::SmallDisk disk("1m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  CheckpointFolder folder(disk.path(), 2, 0, WriterRanks::alone());
  folder.check_writable(300 << 10);
  test::expect_error(Exit::checkpoint, {disk.path(), "1 MiB free", "need 2 MiB", "run.dir"},
                     [&] { folder.check_writable(900 << 10); });
}

TEST(DiskFull, MetricsKeepWholeRowsOnly) {
  const test::SmallDisk disk("64k");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  RunFolder run(disk.path() + "/run", Restarting::never);
  run.begin_after(-1);
  test::write_file(disk.path() + "/filler", std::string(40 << 10, 'x'));
  MetricsRow row;
  const auto until_full = [&] {
    for (row.step = 0; row.step < 10'000; ++row.step) run.append(row);
  };
  test::expect_error(Exit::checkpoint, {"metrics.csv", "No space left on device"}, until_full);
  const std::string table = test::read_file(disk.path() + "/run/metrics.csv");
  EXPECT_TRUE(table.ends_with(fmt::format("\n{},0,,,,,0,0,,,\n", row.step - 1)));
}

// A quota shows as a limit on the file's size.
TEST(DiskFull, FileSizeLimit) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place.path());
  const std::string good = save(folder, 1);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{20'000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  test::expect_error(Exit::checkpoint, {"checkpoint of step 2 not written", "File too large"},
                     [&] { save(folder, 2); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(exists(folder.path_of(2) + ".tmp"));
  EXPECT_EQ(folder.newest_good(), good);
  EXPECT_EQ(save(folder, 2), folder.path_of(2));
}

// ---- no right to write

TEST(ReadOnly, SaidBeforeTheFirstStep) {
  test::SmallDisk disk("1m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  const CheckpointFolder folder(disk.path(), 2, 0, WriterRanks::alone());
  folder.check_writable(1);
  ASSERT_TRUE(disk.make_read_only());
  test::expect_error(Exit::checkpoint, {disk.path(), "Read-only file system"},
                     [&] { folder.check_writable(1); });
  test::expect_error(Exit::checkpoint, {disk.path() + "/run", "Read-only file system"},
                     [&] { RunFolder(disk.path() + "/run", Restarting::never); });
}

TEST(ReadOnly, BelowAFile) {
  const test::TemporaryFolder place;
  const std::string file = test::write_file(place / "file", "");
  const CheckpointFolder folder(file + "/checkpoints", 2, 0, WriterRanks::alone());
  test::expect_error(Exit::checkpoint, {file, "Not a directory"},
                     [&] { folder.check_writable(1); });
}

TEST(ReadOnly, FolderGoneWhileTraining) {
  const test::TemporaryFolder place;
  CheckpointFolder folder = folder_at(place / "checkpoints");
  save(folder, 1);
  std::filesystem::remove_all(place / "checkpoints");
  test::expect_error(Exit::checkpoint, {"step 2 not written", "No such file or directory"},
                     [&] { save(folder, 2); });
  EXPECT_EQ(folder.newest_good(), std::nullopt);
}

}  // namespace
}  // namespace dfascale
