// Work in a child process: its exit code is the program's, its crash a message, its memory limited.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"
#include "tools/in_child.hpp"

namespace dfascale {
namespace {

TEST(InChild, ItsExitCodeIsReturned) {
  for (const int code : {0, 1, 4})
    EXPECT_EQ(in_child("f.h5", 0, [=]() -> int { ::_exit(code); }), code);
}

TEST(InChild, ACrashIsAMessage) {
  test::expect_error(Exit::checkpoint, {"f.h5", "ended with signal 11", "do not use it"}, [] {
    in_child("f.h5", 0, [] {
      std::signal(SIGSEGV, SIG_DFL);  // a sanitizer would catch it
      return std::raise(SIGSEGV);
    });
  });
}

TEST(InChild, TooLongIsAMessage) {
  test::expect_error(Exit::checkpoint, {"f.h5", "more time or memory"},
                     [] { in_child("f.h5", 0, [] { return std::raise(SIGXCPU); }); });
}

TEST(InChild, MemoryAndTimeHaveLimits) {
  constexpr std::size_t gibibyte = 1 << 30;
  const auto can_take = [](std::size_t bytes) {
    void* got =
        ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return got != MAP_FAILED;
  };
  EXPECT_EQ(in_child("f.h5", 0, [&]() -> int { ::_exit(can_take(gibibyte) ? 1 : 0); }), 1);
  EXPECT_EQ(in_child("f.h5", 0, [&]() -> int { ::_exit(can_take(4 * gibibyte) ? 1 : 0); }), 0);
  EXPECT_EQ(in_child("f.h5", gibibyte, [&]() -> int { ::_exit(can_take(4 * gibibyte) ? 1 : 0); }),
            1);
  const auto seconds = []() -> int {
    struct rlimit limit {};
    ::getrlimit(RLIMIT_CPU, &limit);
    ::_exit(static_cast<int>(limit.rlim_cur));
  };
  EXPECT_EQ(in_child("f.h5", 0, seconds), 60);
  EXPECT_EQ(in_child("f.h5", 100'000'000, seconds), 110);
}

TEST(InChild, BytesOfFilesAndFolders) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "a", std::string(10, 'x'));
  test::write_file(folder / "b", std::string(5, 'x'));
  EXPECT_EQ(bytes_at(folder / "a"), 10);
  EXPECT_EQ(bytes_at(folder.path()), 15);
  EXPECT_EQ(bytes_at(folder / "none"), 0);
}

}  // namespace
}  // namespace dfascale
