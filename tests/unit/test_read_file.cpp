// Files that others made: only regular ones, bounded in size; JSON bounded in depth, with a reason.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/read_file.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

TEST(ReadFile, RegularFilesAndLinksToThemAreRead) {
  test::TemporaryFolder folder;
  test::write_file(folder / "a", "text");
  ASSERT_EQ(::symlink((folder / "a").c_str(), (folder / "b").c_str()), 0);
  EXPECT_EQ(read_small_file(folder / "a", Exit::data), "text");
  EXPECT_EQ(read_small_file(folder / "b", Exit::data), "text");
}

TEST(ReadFile, PipesFoldersDevicesAndLargeFilesAreRefused) {
  test::TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  test::write_file(folder / "large", std::string(101, 'x'));
  const std::pair<std::string, const char*> cases[] = {{folder / "pipe", "this is a pipe"},
                                                       {folder.path(), "this is a folder"},
                                                       {"/dev/zero", "this is a device"},
                                                       {folder / "none", "No such file"},
                                                       {folder / "large", "the 100 bytes"}};
  for (const auto& [path, says] : cases) {
    test::expect_error(Exit::checkpoint, {says, path},
                       [&, p = path] { read_small_file(p, Exit::checkpoint, 100); });
  }
}

TEST(ReadFile, JsonThatIsNoneSaysWhereAndWhy) {
  const std::pair<std::string, const char*> cases[] = {
      {"{\"a\": 1,\n \"b\": }", "line 2, column 7"},
      {"{\"a\": NaN}", "NaN and Infinity"},
      {"[\"\\ud800\"]", "surrogate"},
      {"", "column 1"},
      {std::string(200'000, '['), "more than 64 deep"},
      {"{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}", "column 69"},
  };
  for (const auto& [text, says] : cases) {
    test::expect_error(Exit::data, {says, "f.json"},
                       [&, t = text] { parse_json(t, "f.json", Exit::data); });
  }
}

TEST(ReadFile, BracketsInTextsAreNoDepth) {
  const std::string text = "[\"" + std::string(1000, '[') + "\\\"[[\"]";
  EXPECT_EQ(parse_json(text, "f.json", Exit::data).at(0).get<std::string>().size(), 1003U);
}

}  // namespace
}  // namespace dfascale
