// Memory that may be taken: the machine's, or what a batch job or container is allowed.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/available_memory.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

class AvailableMemory : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file(root_ / path);
    std::filesystem::create_directories(file.parent_path());
    test::write_file(file.string(), text);
  }
  void machine(std::int64_t kibibytes) {
    write("proc/meminfo",
          "MemTotal: 99 kB\nMemAvailable:   " + std::to_string(kibibytes) + " kB\n");
  }
  std::int64_t found() const { return available_memory(root_.path()); }

  test::TemporaryFolder root_;
};

TEST_F(AvailableMemory, OfThisMachine) {
  const std::int64_t here = available_memory();
  EXPECT_GT(here, 1 << 20);
  EXPECT_LT(here, std::int64_t{1} << 50);
}

TEST_F(AvailableMemory, WithoutGroups) {
  EXPECT_EQ(found(), 0) << "the system does not say";
  machine(1000);
  EXPECT_EQ(found(), 1000 * 1024);
}

TEST_F(AvailableMemory, TheTightestGroupCounts) {
  machine(1000);
  write("proc/self/cgroup", "0::/jobs/job_7/step_0\n");
  write("sys/fs/cgroup/jobs/job_7/step_0/memory.max", "max\n");
  EXPECT_EQ(found(), 1000 * 1024) << "no limit";
  write("sys/fs/cgroup/jobs/job_7/memory.max", "500000\n");
  write("sys/fs/cgroup/jobs/job_7/memory.current", "300000\n");
  EXPECT_EQ(found(), 200000);
  write("sys/fs/cgroup/jobs/job_7/memory.stat", "anon 100000\nfile 150000\n");
  EXPECT_EQ(found(), 350000) << "cached files can be dropped";
  write("sys/fs/cgroup/memory.max", "120000");
  EXPECT_EQ(found(), 120000) << "the container's";
}

TEST_F(AvailableMemory, FirstVersionOfGroups) {
  machine(1000);
  write("proc/self/cgroup", "9:cpu,cpuacct:/a\n4:memory:/slurm/uid_0/job_7\n");
  write("sys/fs/cgroup/memory/slurm/uid_0/job_7/memory.limit_in_bytes", "400000\n");
  write("sys/fs/cgroup/memory/slurm/uid_0/job_7/memory.usage_in_bytes", "450000\n");
  EXPECT_EQ(found(), 0) << "nothing is left";
  write("sys/fs/cgroup/memory/slurm/uid_0/job_7/memory.stat", "cache 1\ntotal_cache 100000\n");
  EXPECT_EQ(found(), 50000);
}

}  // namespace
}  // namespace dfascale
