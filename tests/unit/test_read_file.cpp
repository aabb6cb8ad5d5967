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

TEST(ReadFile, LongTextsAreNotRepeatedInMessages) {
  const std::string text = fmt::format(R"(["{}\ud800"])", std::string(100'000, 'x'));
  try {
    parse_json(text, "f.json", Exit::data);
    FAIL();
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 300u);
    EXPECT_NE(std::string(error.what()).find("surrogate"), std::string::npos);
  }
}

// Each member is looked for among all before it: 100,000 would take a minute.
TEST(ReadFile, JsonWithManyMembersIsRefusedUnlessItIsLarge) {
  std::string text = "{\"x\": 0";
  for (int i = 0; i < 20'000; ++i) text += fmt::format(",\n\"k{}\": {}", i, i);
  text += "}";
  test::expect_error(Exit::data, {"f.json", "line 10001", "more than 10000 named members"},
                     [&] { parse_json(text, "f.json", Exit::data); });
  EXPECT_EQ(parse_large_json(text, "f.json", Exit::data).at("k19999"), 19'999);
  test::expect_error(Exit::data, {"f.json", "more than 4000000 values"}, [&] {
    parse_large_json(fmt::format("[{}]", std::string(5'000'000, ',')), "f.json", Exit::data);
  });
}

TEST(ReadFile, NamesThatComeTwiceAreRefusedInLargeJson) {
  test::expect_error(Exit::data, {"f.json", "the name \"a\" comes twice"}, [] {
    parse_large_json(R"({"b": {"a": 1}, "a": 1, "a": 2})", "f.json", Exit::data);
  });
  EXPECT_EQ(parse_large_json(R"([{"a": {"a": 1}}, {"a": 2}])", "f.json", Exit::data).size(), 2U);
}

TEST(ReadFile, TomlKeysOfManyPartsAreRefused) {
  std::string dots;
  for (int i = 0; i < 200'000; ++i) dots += "a.";
  for (const std::string& text : {"x = 1\n" + dots + "a = 1\n", "x = 1\n[" + dots + "a]\n",
                                  "x = 1\ny = {" + dots + "a = 1}\n"})
    test::expect_error(Exit::usage, {"d.toml", "line 2, column", "more than 16 parts"},
                       [&] { check_toml_keys(text, "d.toml", Exit::usage); });
  check_toml_keys(
      "a = [1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5]\n"
      "b.c = \"../../../../../../../../../../../../../../../../../x\"  # ................",
      "d.toml", Exit::usage);
}

TEST(ReadFile, TomlBeyondAsciiIsInTextsAndComments) {
  for (const std::string text : {"\n\u00e9 = 1\n", "x = 1\n[\u00e9]\n", "x = \"\"\ny = \u00a0 1\n"})
    test::expect_error(Exit::usage, {"d.toml", "line 2, column", "not ASCII"},
                       [&] { check_toml_keys(text, "d.toml", Exit::usage); });
  check_toml_keys(
      "\uFEFFa = \"\u00e9\\\"\u00e9\" # \u00e9\nb = '\u00e9'\nc = "
      "\"\"\"\n\u00e9\"\u00e9\\\"\"\u00e9\"\"\"\n"
      "d = \'\'\'\n\u00e9''\u00e9\\\'\'\'\n",
      "d.toml", Exit::usage);
}

TEST(ReadFile, BracketsInTextsAreNoDepth) {
  const std::string text = "[\"" + std::string(1000, '[') + "\\\"[[\"]";
  EXPECT_EQ(parse_json(text, "f.json", Exit::data).at(0).get<std::string>().size(), 1003U);
}

}  // namespace
}  // namespace dfascale
