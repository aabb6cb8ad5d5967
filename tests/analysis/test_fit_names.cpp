// Names that anybody may have written, in every format; files that are none; output that is lost.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "analysis/escape.hpp"
#include "tests/support/files.hpp"

namespace dfascale::fit {
namespace {

using dfascale::test::read_file;
using dfascale::test::TemporaryFolder;
using dfascale::test::write_file;

/// Runs dfascale-fit in the folder by bash; standard error goes to `errors`.
int run(const TemporaryFolder& folder, const std::string& arguments) {
  const std::string line = fmt::format("cd '{}' && '{}/bin/dfascale-fit' {} 2>errors",
                                       folder.path(), DFASCALE_BINARY_DIR, arguments);
  const int status = std::system(fmt::format("bash -c \"{}\"", line).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Two sizes of a method, as a long CSV; the name as a field.
std::string runs_of(const std::string& method, double shift) {
  std::string text;
  for (const int size : {1000, 4000})
    for (int i = 1; i <= 40; ++i) {
      const double tokens = 1000.0 * i * i;
      text += fmt::format("r{},{},{},{},{:.6f}\n", size, method, size, tokens,
                          shift * std::pow(6.0 * size * tokens, -0.05) + 300.0 / size);
    }
  return text;
}

constexpr const char* header = "run,method,params,tokens,loss\n";

TEST(FitNames, EscapesOfEachFormat) {
  EXPECT_EQ(markdown("dfa-block"), "dfa-block");
  EXPECT_EQ(markdown("my_rule"), "my_rule") << "no emphasis within a word";
  EXPECT_EQ(markdown("_a_ *b* `c` [d](e) a|b"), "\\_a\\_ \\*b\\* \\`c\\` \\[d\\](e) a\\|b");
  EXPECT_EQ(markdown("<b>&amp;"), "&lt;b&gt;&amp;amp;");
  EXPECT_EQ(markdown("# a ##"), "\\# a \\#\\#");
  EXPECT_EQ(markdown("- a"), "\\- a");
  EXPECT_EQ(markdown("12. a.b"), "12\\. a.b");
  EXPECT_EQ(markdown("  é"), "é");
  EXPECT_EQ(markdown_code("a"), "`a`");
  EXPECT_EQ(markdown_code("a``b"), "```a``b```");
  EXPECT_EQ(markdown_code("`a"), "`` `a ``");
  EXPECT_EQ(gnuplot("a_b'c\\{&}~"), "a\\_b''c\\\\\\{\\&\\}\\~");
  EXPECT_EQ(csv_field("a b"), "a b");
  EXPECT_EQ(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
  EXPECT_EQ(csv_field(" a"), "\" a\"");
}

TEST(FitNames, MarkupInNamesStaysText) {
  const TemporaryFolder folder;
  write_file(folder / "a.csv",
             header + runs_of("bp", 20) +
                 runs_of("\"# <script>alert(1)</script> | `x` 'q', {y}_^\\\"", 22));
  ASSERT_EQ(run(folder, "--csv a.csv --out out --bootstrap 20 --factor 'x_<y>=3' >printed"), 0)
      << read_file(folder / "errors");
  for (const char* file : {"out/report.md", "out/table1.md"}) {
    const std::string text = read_file(folder / file);
    EXPECT_EQ(text.find("<script"), std::string::npos) << file;
    EXPECT_NE(text.find("\\# &lt;script&gt;alert(1)&lt;/script&gt; \\| \\`x\\`"), std::string::npos)
        << text;
  }
  const auto json = nlohmann::json::parse(read_file(folder / "out/fit.json"));
  EXPECT_TRUE(json["methods"].contains("# <script>alert(1)</script> | `x` 'q', {y}_^\\"));
  if (std::system("gnuplot --version >/dev/null 2>&1") != 0) return;
  EXPECT_EQ(read_file(folder / "errors"), "") << "gnuplot takes the name";
  const std::string figure = read_file(folder / "out/fig3_frontier.svg");
  EXPECT_EQ(figure.find("<script>alert"), std::string::npos);
  EXPECT_NE(figure.find("&lt;script"), std::string::npos);
}

TEST(FitNames, ControlCharactersAreRefused) {
  const TemporaryFolder folder;
  write_file(folder / "a.csv", header + runs_of("b\x1bp", 20));
  EXPECT_EQ(run(folder, "--csv a.csv --out out"), 3);
  EXPECT_NE(read_file(folder / "errors").find("bad_row: a.csv:2: method = \"b\\u001Bp\": control"),
            std::string::npos)
      << read_file(folder / "errors");
  write_file(folder / "b.csv", header + runs_of("b\xe9p", 20));
  EXPECT_EQ(run(folder, "--csv b.csv --out out"), 3);
  EXPECT_NE(read_file(folder / "errors").find("bad_row: b.csv:2"), std::string::npos);
  ::mkdir((folder / "r").c_str(), 0700);
  write_file(folder / "r/metrics.csv", "tokens,train_loss\n1,2\n");
  for (const char* name : {R"("a\nb")", R"("a\u0000b")", R"("a\u009bb")"}) {
    write_file(folder / "r/run.json",
               fmt::format(R"({{"run": "r", "method": {}, "params": 10}})", name));
    EXPECT_EQ(run(folder, "r --out out"), 3);
    EXPECT_NE(read_file(folder / "errors").find("bad_run_json: r/run.json: \"method\""),
              std::string::npos)
        << read_file(folder / "errors");
    const std::string said = read_file(folder / "errors");
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << "one line";
  }
  EXPECT_EQ(run(folder, "--csv a.csv --out $'o\\xe9'"), 2);
  EXPECT_NE(read_file(folder / "errors").find("o\\xE9"), std::string::npos);
  EXPECT_FALSE(std::ifstream(folder / "out/fit.json").good());
}

TEST(FitNames, FilesThatAreNone) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  ::mkdir((folder / "r").c_str(), 0700);
  ASSERT_EQ(::mkfifo((folder / "r/run.json").c_str(), 0600), 0);
  const std::pair<const char*, const char*> cases[] = {
      {"--csv /dev/zero", "no_such_file: /dev/zero: expected a file, this is a device"},
      {"--csv pipe", "no_such_file: pipe: nobody writes"},
      {"--csv r", "no_such_file: r: expected a file, this is a folder"},
      {"r", "no_such_file: r/run.json: expected a file, this is a pipe"}};
  for (const auto& [input, says] : cases) {
    EXPECT_EQ(run(folder, fmt::format("{} --out out", input)), 3);
    EXPECT_NE(read_file(folder / "errors").find(says), std::string::npos)
        << read_file(folder / "errors");
  }
  ::mkdir((folder / "deep").c_str(), 0700);
  write_file(folder / "deep/run.json", std::string(200'000, '['));
  EXPECT_EQ(run(folder, "deep --out out"), 3);
  EXPECT_NE(
      read_file(folder / "errors").find("bad_run_json: deep/run.json: not valid JSON: line 1"),
      std::string::npos);
  write_file(folder / "line.csv", header + std::string(3 << 20, 'x'));
  EXPECT_EQ(run(folder, "--csv line.csv --out out"), 3);
  EXPECT_NE(read_file(folder / "errors").find("bad_row: line.csv:2: a line of more than"),
            std::string::npos);
}

TEST(FitNames, TablesComeOutOfPipesAndOutputMayBeLost) {
  const TemporaryFolder folder;
  write_file(folder / "a.csv", header + runs_of("bp", 20));
  ASSERT_EQ(run(folder, "--csv <(cat a.csv) --out pipe --bootstrap 0 >printed"), 0)
      << read_file(folder / "errors");
  ASSERT_EQ(run(folder, "--csv a.csv --out file --bootstrap 0 >printed"), 0);
  const auto methods = [&](const std::string& out) {
    return nlohmann::json::parse(read_file(folder / (out + "/fit.json")))["methods"];
  };
  EXPECT_EQ(methods("pipe"), methods("file"));
  for (const char* arguments : {"--csv a.csv --out full --bootstrap 0", "--help"}) {
    EXPECT_EQ(run(folder, std::string(arguments) + " >/dev/full"), 1);
    EXPECT_NE(read_file(folder / "errors").find("standard output cannot be written: No space"),
              std::string::npos);
  }
  EXPECT_EQ(methods("full"), methods("file")) << "the files are there all the same";
}

TEST(FitNames, PlantedLinksAreNotFollowed) {
  const TemporaryFolder folder;
  write_file(folder / "a.csv", header + runs_of("bp", 20));
  write_file(folder / "precious", "mine");
  ::mkdir((folder / "out").c_str(), 0700);
  for (const char* name : {"out/fit.json", "out/fit.json.partial", "out/report.md.partial"})
    ASSERT_EQ(::symlink("../precious", (folder / name).c_str()), 0);
  ASSERT_EQ(run(folder, "--csv a.csv --out out --bootstrap 0 >printed"), 0);
  EXPECT_EQ(read_file(folder / "precious"), "mine");
}

TEST(FitNames, AnIntervalWithoutItsEstimateIsWarnedOf) {
  const TemporaryFolder folder;
  std::string one_run = header;
  for (int i = 0; i < 40; ++i) {
    const double tokens = 60000 * std::pow(1.12, i);
    one_run += fmt::format("r,bp,100000,{:.1f},{:.6f}\n", tokens,
                           4.5 + 6.95 * std::pow(tokens / 60000, -0.7));
  }
  write_file(folder / "a.csv", one_run);
  ASSERT_EQ(run(folder, "--csv a.csv --out out --bootstrap 100 >printed"), 0);
  const auto json = nlohmann::json::parse(read_file(folder / "out/fit.json"));
  const auto& power = json["methods"]["bp"]["fits"]["power"];
  const double alpha = power["alpha"];
  const bool holds = power["ci"]["alpha"][0] <= alpha && alpha <= power["ci"]["alpha"][1];
  ASSERT_FALSE(holds) << "this case is to have an interval that does not hold its estimate";
  EXPECT_EQ(json["warnings"][0]["code"], "interval_without_estimate");
  EXPECT_NE(read_file(folder / "out/report.md").find("interval_without_estimate"),
            std::string::npos);
}

}  // namespace
}  // namespace dfascale::fit
