// The program as a user runs it: exit codes, files, equal bytes whatever the number of threads.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/analysis/synthetic.hpp"
#include "tests/support/files.hpp"

namespace dfascale::fit {
namespace {

using dfascale::test::read_file;
using dfascale::test::TemporaryFolder;
using dfascale::test::write_file;
using test::long_csv;
using test::make_study;
using test::Sampling;
using test::TrueLaw;

/// Runs dfascale-fit in the folder; standard error goes to `errors`.
int run(const TemporaryFolder& folder, const std::string& arguments) {
  const int status =
      std::system(fmt::format("cd '{}' && '{}/bin/dfascale-fit' {} >printed 2>errors",
                              folder.path(), DFASCALE_BINARY_DIR, arguments)
                      .c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void write_study(const TemporaryFolder& folder) {
  Sampling sampling;
  sampling.points = 40;
  write_file(folder / "study.csv",
             long_csv(make_study({TrueLaw{"bp", -0.07, 4.0}, TrueLaw{"dfa", -0.055, 4.4, 0, 4},
                                  TrueLaw{"shallow", -0.02, 6, 0, 2}},
                                 sampling)));
}

TEST(FitProgram, WritesEveryFileAndTheyAgree) {
  const TemporaryFolder folder;
  write_study(folder);
  ASSERT_EQ(run(folder, "--csv study.csv --out out --bootstrap 40 --seed 3"), 0)
      << read_file(folder / "errors");
  const auto json = nlohmann::json::parse(read_file(folder / "out/fit.json"));
  EXPECT_EQ(json["schema"], "dfascale-fit/1");
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(json["options"]["seed"], 3);
  EXPECT_EQ(json["methods"].size(), 3U);
  EXPECT_EQ(json["comparisons"].size(), 2U);
  EXPECT_EQ(json["comparisons"][0]["outcome"], "D");
  const auto& power = json["methods"]["bp"]["fits"]["power"];
  EXPECT_NEAR(power["C_c"].get<double>() * power["C_c_paper_literal"].get<double>(), 1, 1e-12);
  EXPECT_LE(power["ci"]["alpha"][0], power["alpha"]);

  const std::string table = read_file(folder / "out/table1.md");
  EXPECT_NE(table.find("| BP | −0.071 | 3800 |"), std::string::npos) << table;
  EXPECT_NE(table.find("| Shallow | −0.019 | 6.2×10³² |"), std::string::npos);
  std::string alpha = fmt::format("{:.4f}", power["alpha"].get<double>());
  EXPECT_NE(table.find("−" + alpha.substr(1)), std::string::npos);
  for (const char* rule : {"\n- DFA needs ", "\n- Shallow needs ", "outcome D"})
    EXPECT_NE(table.find(rule), std::string::npos) << table;
  const std::string report = read_file(folder / "out/report.md");
  EXPECT_NE(report.find("outcome: **D**"), std::string::npos);
  EXPECT_NE(report.find("DFA needs "), std::string::npos);

  const std::string frontier = read_file(folder / "out/frontier.csv");
  EXPECT_TRUE(frontier.starts_with("method,run,params,compute,loss,in_fit\n"));
  std::int64_t lines = 0;
  for (const char* method : {"bp", "dfa", "shallow"})
    lines += json["methods"][method]["frontier"]["n_untrimmed"].get<std::int64_t>();
  EXPECT_EQ(std::count(frontier.begin(), frontier.end(), '\n'), lines + 1);
}

TEST(FitProgram, FiguresAndTheirScripts) {
  if (std::system("gnuplot --version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "gnuplot is not installed: the figures are not drawn here";
  const TemporaryFolder folder;
  write_study(folder);
  ASSERT_EQ(run(folder, "--csv study.csv --out out --bootstrap 20 --no-surface"), 0);
  EXPECT_EQ(read_file(folder / "errors"), "");
  for (const char* name : {"fig1_outcomes", "fig3_frontier", "breakeven"}) {
    const std::string base = folder / "out/" + std::string(name);
    EXPECT_EQ(read_file(base + ".png").substr(1, 3), "PNG") << name;
    EXPECT_NE(read_file(base + ".svg").find("</svg>"), std::string::npos) << name;
    EXPECT_NE(read_file(base + ".gp").find("pngcairo"), std::string::npos) << name;
  }
}

/// Run folders as the trainer writes them: three learning rates a size, peak, alignment.
void write_run_folders(const TemporaryFolder& folder) {
  Sampling sampling;
  sampling.points = 30;
  for (const TrueLaw& law : {TrueLaw{"bp", -0.07, 4.0}, TrueLaw{"dfa", -0.055, 4.4, 0, 4}})
    for (const double N : {1e6, 2e6, 4e6})
      for (const double rate : {1e-4, 1e-3, 1e-2}) {
        const std::string name = fmt::format("{}_{:.0f}_{}", law.method, N, rate);
        const std::string at = folder / "runs/" + name;
        std::filesystem::create_directories(at);
        write_file(at + "/run.json",
                   fmt::format(R"({{"run":"{}","method":"{}","params":{:.0f},)"
                               R"("peak_flops":{{"square":1e11,"shapes":2e11}}}})",
                               name, law.method, N));
        std::string metrics = "step,tokens,train_loss,val_loss,lr,flops,seconds\n0,0,,9.1,,0,0\n";
        std::string alignment = "step,tensor,cosine,norm_rule,norm_bp\n";
        const InputRun run = test::make_run(law, N, name, sampling);
        for (std::size_t i = 0; i < run.rows.size(); ++i) {
          const InputRow& row = run.rows[i];
          metrics += fmt::format("{},{:.0f},{:.6f},,{},{:.9e},{:.6f}\n", i + 1, row.tokens,
                                 row.loss, rate, 1.1 * row.cost, row.cost / 1e10);
          alignment += fmt::format("{0},blocks.0,{1:.3f},1,1\n{0},all,{1:.3f},1,1\n", i + 1,
                                   0.01 * static_cast<double>(i));
        }
        write_file(at + "/metrics.csv", metrics);
        write_file(at + "/alignment.csv", alignment);
      }
}

TEST(FitProgram, RunFoldersGiveTheFiguresOfTraining) {
  if (std::system("gnuplot --version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "gnuplot is not installed: the figures are not drawn here";
  const TemporaryFolder folder;
  write_run_folders(folder);
  ASSERT_EQ(run(folder, "runs --out out --bootstrap 0 --no-surface"), 0);
  EXPECT_EQ(read_file(folder / "errors"), "");
  for (const char* name : {"accountings", "learning_rate", "alignment"})
    EXPECT_EQ(read_file(folder / "out/" + std::string(name) + ".png").substr(1, 3), "PNG") << name;
  EXPECT_EQ(run(folder, "runs --out out --bootstrap 0 --no-surface --accounting seconds"), 0);
  const auto json = nlohmann::json::parse(read_file(folder / "out/fit.json"));
  EXPECT_EQ(json["units"]["C_c"], "device-second");
  write_study(folder);
  ASSERT_EQ(run(folder, "--csv study.csv --out out --bootstrap 0 --no-surface"), 0);
  for (const char* name : {"accountings", "learning_rate", "alignment"})
    EXPECT_FALSE(std::filesystem::exists(folder / "out/" + std::string(name) + ".png"))
        << name << ": an old figure does not stay";
}

TEST(FitProgram, SameBytesForAnyNumberOfThreads) {
  const TemporaryFolder folder;
  write_study(folder);
  const std::string common = "--csv study.csv --bootstrap 24 --seed 5 --out ";
  ASSERT_EQ(run(folder, common + "one --threads 1"), 0);
  ASSERT_EQ(run(folder, common + "many --threads 5"), 0);
  ASSERT_EQ(run(folder, common + "other --threads 5 --seed 6"), 2) << "one seed only";
  EXPECT_EQ(read_file(folder / "one/fit.json"), read_file(folder / "many/fit.json"));
  ASSERT_EQ(run(folder, "--csv study.csv --bootstrap 24 --seed 6 --out other"), 0);
  EXPECT_NE(read_file(folder / "one/fit.json"), read_file(folder / "other/fit.json"));
}

TEST(FitProgram, WrongUsageIsTwo) {
  const TemporaryFolder folder;
  for (const char* arguments :
       {"", "--out out", "--csv a.csv", "--csv a.csv --out out --accounting guess",
        "--csv a.csv --out out --bin -1", "--csv a.csv --out out --factor dfa",
        "--csv a.csv --out out --factor dfa=0", "--csv a.csv --out out --factor dfa=inf",
        "--csv a.csv --out out --bin nan", "--csv a.csv --out out --seed -1",
        "--csv a.csv --out out --unknown"}) {
    EXPECT_EQ(run(folder, arguments), 2) << arguments;
    EXPECT_NE(read_file(folder / "errors"), "") << arguments;
  }
  EXPECT_EQ(run(folder, "--help"), 0);
}

TEST(FitProgram, UnusableInputIsThreeAndWritesNothing) {
  const TemporaryFolder folder;
  write_file(folder / "bad.csv", "run,method,params,tokens,loss\nx,bp,1000,2k,3.0\n");
  write_file(folder / "late.csv", "run,method,params,tokens,loss\nx,bp,1000,200,nan\n");
  for (const auto& [file, code] : {std::pair{"bad.csv", "bad_number"},
                                   {"late.csv", "no_usable_runs"},
                                   {"none.csv", "no_such_file"}}) {
    EXPECT_EQ(run(folder, fmt::format("--csv {} --out out", file)), 3);
    const std::string errors = read_file(folder / "errors");
    EXPECT_TRUE(errors.starts_with(fmt::format("dfascale-fit: {}: ", code))) << errors;
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
    EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  }
}

TEST(FitProgram, OutputThatCannotBeWrittenIsNamed) {
  const TemporaryFolder folder;
  write_study(folder);
  EXPECT_EQ(run(folder, "--csv study.csv --bootstrap 0 --no-surface --out study.csv/out"), 3);
  EXPECT_TRUE(
      read_file(folder / "errors").starts_with("dfascale-fit: cannot_write: study.csv/out"));
}

TEST(FitProgram, WhatWasAskedForAndHasNoEffectIsAWarning) {
  const TemporaryFolder folder;
  write_study(folder);
  const auto warnings_of = [&](const std::string& options) {
    EXPECT_EQ(run(folder, "--csv study.csv --bootstrap 0 --no-surface --out out " + options), 0);
    std::vector<std::string> found;
    const auto json = nlohmann::json::parse(read_file(folder / "out/fit.json"));
    for (const auto& warning : json["warnings"])
      found.push_back(fmt::format("{} {}", warning["code"].get<std::string>(),
                                  warning["method"].get<std::string>()));
    return found;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(warnings_of("--methods bp,dfa --factor dfa=5"), Texts{});
  EXPECT_EQ(warnings_of("--methods bp,DFA"), Texts{"method_not_found DFA"});
  EXPECT_EQ(warnings_of("--factor dfs=5"), Texts{"method_not_found dfs"});
  EXPECT_EQ(warnings_of("--factor dfa=5 --accounting exact"), Texts{"factor_unused dfa"});
  EXPECT_EQ(warnings_of("--reference BP"), Texts{"no_reference BP"});
}

TEST(FitProgram, NoFitIsFour) {
  const TemporaryFolder folder;
  write_file(folder / "short.csv",
             "run,method,params,tokens,loss\nx,bp,1000,1000,3\nx,bp,1000,2000,2.9\n");
  EXPECT_EQ(run(folder, "--csv short.csv --out out"), 4);
  const auto json = nlohmann::json::parse(read_file(folder / "out/fit.json"));
  EXPECT_EQ(json["status"], "no_fit");
  EXPECT_EQ(json["warnings"][0]["code"], "too_few_points");
  EXPECT_TRUE(json["methods"]["bp"]["fits"]["power"]["alpha"].is_null());
}

}  // namespace
}  // namespace dfascale::fit
