// Reading of run folders and long CSV files, and every code that ends the program.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "analysis/csv.hpp"
#include "analysis/input.hpp"
#include "analysis/issue.hpp"
#include "tests/support/files.hpp"

namespace dfascale::fit {
namespace {

using dfascale::test::TemporaryFolder;
using dfascale::test::write_file;

constexpr const char* head = "run,method,params,tokens,compute,loss\n";

Options csv_options(const std::string& path) {
  Options options;
  options.csv_files = {path};
  return options;
}

std::string error_of(const Options& options) {
  try {
    read_inputs(options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

void write_run(const std::string& folder, const std::string& json, const std::string& metrics) {
  std::filesystem::create_directories(folder);
  write_file(folder + "/run.json", json);
  write_file(folder + "/metrics.csv", metrics);
}

TEST(FitInput, NumbersAsFilesHoldThem) {
  EXPECT_EQ(parse_number("2.5e3"), 2500.0);
  EXPECT_EQ(parse_number("+7"), 7.0);
  EXPECT_TRUE(std::isnan(*parse_number("NaN")));
  EXPECT_EQ(parse_number("-INF"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_number("1e999"), std::numeric_limits<double>::infinity());
  for (const char* text : {"", "2k", "1,5", "0x10", "+-1", "1 2"})
    EXPECT_FALSE(parse_number(text)) << text;
}

TEST(FitInput, LongCsvInAnyColumnOrderWithCommentsAndBlanks) {
  const TemporaryFolder folder;
  const std::string path = write_file(folder / "a.csv",
                                      "\xEF\xBB\xBF# made by hand\r\n"
                                      "loss, tokens ,note,method,run,params\r\n"
                                      "\r\n"
                                      "3.5,100,x,bp,r1,1000\r\n"
                                      "# skipped\r\n"
                                      " , 200 ,,bp,r1,1000\r\n"
                                      "2.5,100,x,dfa,r1,1000");
  const auto runs = read_inputs(csv_options(path));
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].method, "bp");
  ASSERT_EQ(runs[0].rows.size(), 2U);
  EXPECT_EQ(runs[0].rows[0].loss, 3.5);
  EXPECT_TRUE(runs[0].rows[0].lacks(InputRow::cost_column));
  EXPECT_TRUE(runs[0].rows[1].lacks(InputRow::loss_column));
  EXPECT_EQ(runs[0].rows[1].tokens, 200);
}

TEST(FitInput, QuotedFieldsAreTheSameAsPlainOnes) {
  const TemporaryFolder folder;
  const auto runs = read_inputs(
      csv_options(write_file(folder / "a.csv",
                             "\"run\",\"method\",\"params\",\"note\",\"tokens\",\"loss\"\n"
                             "\"r 1\", \" bp \" ,\"1000\",\"a, \"\"b\"\", c\",\"100\",\"3.5\"\n")));
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].method, "bp");
  EXPECT_EQ(runs[0].name, "r 1");
  EXPECT_EQ(runs[0].rows[0].tokens, 100);
  EXPECT_EQ(runs[0].rows[0].loss, 3.5);
}

TEST(FitInput, LastRowCutShortByACrashIsNoRow) {
  const TemporaryFolder folder;
  const std::string json = R"({"run":"a","method":"bp","params":1000,"outcome":"running"})";
  Options options;
  options.run_folders = {folder / "r"};
  const auto losses = [&](const std::string& metrics) {
    write_run(folder / "r", json, metrics);
    std::vector<double> list;
    const auto runs = read_inputs(options);
    for (const InputRow& row : runs.at(0).rows) list.push_back(row.loss);
    return list;
  };
  using Losses = std::vector<double>;
  const std::string start = "tokens,train_loss,mfu\n1,4,\n";
  EXPECT_EQ(losses(start + "2,3.5,0.5\n"), (Losses{4, 3.5}));
  EXPECT_EQ(losses(start + "2,3.5,0.5\n3"), (Losses{4, 3.5}));
  EXPECT_EQ(losses(start + "2,3.5"), (Losses{4})) << "3.5 may have been 3.57";
  EXPECT_EQ(losses(start + "2,3.5,0."), (Losses{4, 3.5})) << "the cut column does not count";
  EXPECT_EQ(losses(start + std::string(64, '\0')), (Losses{4})) << "zeros of a lost block";
  EXPECT_EQ(losses("tokens,train_loss\n1,4\n2,3"), (Losses{4})) << "it does here";
  EXPECT_EQ(losses("tokens,train_loss\n"), (Losses{}));
  write_run(folder / "r", json, "tokens,train_loss,mfu\n1,4\n2,3.5,1\n");
  EXPECT_TRUE(error_of(options).starts_with("bad_row: ")) << "only the last one is excused";
}

TEST(FitInput, FoldersOfRunFoldersByName) {
  const TemporaryFolder folder;
  write_run(folder / "runs/b", R"({"run":"b","method":"dfa","params":2e6,"paper_factor":4.5})",
            "step,tokens,train_loss,val_loss,flops,seconds\n1,10,3,,60,0.5\n");
  write_run(folder / "runs/a", R"({"run":"a","method":"bp","params":1000000,"warmup_tokens":5})",
            "step,tokens,train_loss,val_loss,flops,seconds\n1,10,3,2.9,60,0.5\n");
  std::filesystem::create_directories(folder / "runs/not_a_run");
  Options options;
  options.run_folders = {folder / "runs"};
  options.loss = Loss::validation;
  options.accounting = Accounting::exact;
  const auto runs = read_inputs(options);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].name, "a");
  EXPECT_EQ(runs[0].warmup_tokens, 5);
  EXPECT_EQ(runs[0].rows[0].cost, 60);
  EXPECT_EQ(runs[0].rows[0].loss, 2.9);
  EXPECT_EQ(runs[1].paper_factor, 4.5);
  EXPECT_TRUE(runs[1].rows[0].lacks(InputRow::loss_column));

  options.methods = {"dfa"};
  EXPECT_EQ(read_inputs(options).size(), 1U);
}

TEST(FitInput, MistakesInLongCsvAreNamed) {
  const TemporaryFolder folder;
  struct Case {
    const char* text;
    const char* code;
    const char* detail;
  };
  for (const Case& c : {
           Case{"", "empty_file", "a.csv"},
           Case{"# only a comment\n", "empty_file", "a.csv"},
           Case{head, "empty_file", "no rows"},
           Case{"run,method,params,tokens\nx,bp,1,1\n", "missing_column", "\"loss\""},
           Case{"run,method,tokens,loss\nx,bp,1,1\n", "missing_column", "\"params\""},
           Case{"run,method,params,loss\nx,bp,1,1\n", "missing_column", "\"tokens\""},
           Case{"run,method,params,tokens,loss\nx,bp,1,2k,3\n", "bad_number", "a.csv:2: tokens"},
           Case{"run,method,params,tokens,loss\nx,bp,1,2\n", "bad_row", "a.csv:2: 4 fields"},
           Case{"run,method,params,tokens,loss\nx,bp,1,2", "bad_row", "a.csv:2: 4 fields"},
           Case{"run,method,params,tokens,loss\nx,\"bp,1,2,3\n", "bad_row", "a.csv:2: 2 fields"},
           Case{"run,method,params,tokens,loss,loss\nx,bp,1,2,3,4\n", "bad_row", "\"loss\" twice"},
           Case{"\x7f\rELF\n1\n", "missing_column", "\"\\u007F\\u000DELF"},
           Case{"run,method,params,tokens,loss\n,bp,1,2,3\n", "bad_row", "run = \"\": empty"},
           Case{"run,method,params,tokens,loss\nx,,1,2,3\n", "bad_row", "method = \"\": empty"},
           Case{"run,method,params,tokens,loss\nx,bp,0,2,3\n", "bad_row", "params"},
           Case{"run,method,params,tokens,loss\nx,bp,nan,2,3\n", "bad_row", "params"},
           Case{"run,method,params,tokens,loss\nx,bp,1,2,3\nx,bp,2,3,3\n", "params_differ", ":3"},
       }) {
    const std::string error = error_of(csv_options(write_file(folder / "a.csv", c.text)));
    EXPECT_TRUE(error.starts_with(std::string(c.code) + ": ")) << c.text << " -> " << error;
    EXPECT_NE(error.find(c.detail), std::string::npos) << c.text << " -> " << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << "one line";
  }
  EXPECT_TRUE(error_of(csv_options(folder / "none.csv")).starts_with("no_such_file: "));
  EXPECT_TRUE(error_of(csv_options(folder.path())).starts_with("no_such_file: ")) << "a folder";
}

TEST(FitInput, AccountingsAskForTheirColumns) {
  const TemporaryFolder folder;
  Options options =
      csv_options(write_file(folder / "a.csv", "run,method,params,tokens,loss\nx,bp,1,2,3\n"));
  options.accounting = Accounting::exact;
  EXPECT_NE(error_of(options).find("\"compute\""), std::string::npos);
  options.accounting = Accounting::seconds;
  EXPECT_NE(error_of(options).find("\"seconds\""), std::string::npos);
  options.loss = Loss::validation;
  EXPECT_NE(error_of(options).find("\"val_loss\""), std::string::npos);
}

TEST(FitInput, MistakesInRunFoldersAreNamed) {
  const TemporaryFolder folder;
  const std::string metrics = "tokens,train_loss\n1,3\n";
  Options options;
  options.run_folders = {folder / "r"};
  EXPECT_TRUE(error_of(options).starts_with("no_such_file: "));
  std::filesystem::create_directories(folder / "r");
  EXPECT_TRUE(error_of(options).starts_with("no_runs: "));
  for (const char* json :
       {"{", "[]", R"({"run":"a","method":"bp"})", R"({"run":"a","method":"bp","params":0})",
        R"({"run":"a","method":"bp","params":"many"})", R"({"run":3,"method":"bp","params":1})",
        R"({"run":"a","method":"","params":1})"}) {
    write_run(folder / "r", json, metrics);
    EXPECT_TRUE(error_of(options).starts_with("bad_run_json: ")) << json;
  }
  const std::string good = R"({"run":"a","method":"bp","params":7})";
  write_run(folder / "r", good, "tokens,val_loss\n1,3\n");
  EXPECT_TRUE(error_of(options).starts_with("missing_column: "));
  write_run(folder / "r", good, metrics);
  EXPECT_EQ(error_of(options), "");
  write_run(folder / "again", good, metrics);
  options.run_folders.push_back(folder / "again");
  EXPECT_TRUE(error_of(options).starts_with("duplicate_run: "));
  std::filesystem::remove(std::filesystem::path(folder / "r") / "metrics.csv");
  EXPECT_TRUE(error_of(options).starts_with("no_such_file: "));
}

}  // namespace
}  // namespace dfascale::fit
