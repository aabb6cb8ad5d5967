// Run records: what dfascale-fit and users read, restarts, and folders that must not be touched.
#include <gtest/gtest.h>

#include <clocale>
#include <nlohmann/json.hpp>

#include "io/run_folder.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

constexpr const char* header =
    "step,tokens,train_loss,val_loss,lr,grad_norm,flops,seconds,step_seconds,tokens_per_second,"
    "mfu\n";

MetricsRow row_of(std::int64_t step) {
  MetricsRow row;
  row.step = step;
  row.tokens = step * 100;
  if (step > 0) row.train_loss = 4.0F / static_cast<float>(step);
  row.flops = 1e15 * static_cast<double>(step);
  row.seconds = 0.1 * static_cast<double>(step);
  return row;
}

TEST(RunFolder, RowsAreExactAndBlankWhereNothingWasMeasured) {
  test::TemporaryFolder folder;
  RunFolder run(folder / "a/b", Restarting::never);
  run.begin_after(-1);
  MetricsRow row;
  row.val_loss = 10.5;
  run.append(row);
  row = {3, 12288, 2.25F, {}, 1e-3, 0.1F, 0.1, 1.0 / 3, 0.5, 24576, 0.61};
  run.append(row);
  EXPECT_EQ(test::read_file(folder / "a/b/metrics.csv"),
            std::string(header) + "0,0,,10.5,,,0,0,,,\n" +
                "3,12288,2.25,,0.001,0.100000001,0.10000000000000001,0.33333333333333331,0.5,24576,"
                "0.61\n");
}

TEST(RunFolder, NumbersIgnoreTheLocale) {
  const char* const set = std::setlocale(LC_ALL, "de_DE.UTF-8");
  test::TemporaryFolder folder;
  RunFolder run(folder.path(), Restarting::never);
  run.begin_after(-1);
  run.append(row_of(8));
  run.write_run({});
  std::setlocale(LC_ALL, "C");
  EXPECT_NE(test::read_file(folder / "metrics.csv").find("\n8,800,0.5,,,,"), std::string::npos);
  EXPECT_NE(test::read_file(folder / "run.json").find("\"flops_per_token\": 0.0"),
            std::string::npos);
  if (!set) GTEST_SKIP() << "locale de_DE.UTF-8 is not installed: checked in the C locale only";
}

TEST(RunFolder, WhatIsCutAfterAStepIsKeptBeside) {
  test::TemporaryFolder folder;
  RunFolder run(folder.path(), Restarting::never);
  run.begin_after(-1);
  const auto append = [&](std::int64_t step) {
    run.append(row_of(step));
    run.append_alignment({step, "blocks.0", 0.5, 1, 2});
  };
  for (std::int64_t step = 0; step <= 9; ++step) append(step);
  const std::string metrics = test::read_file(folder / "metrics.csv");
  const std::string alignment = test::read_file(folder / "alignment.csv");
  for (std::int64_t step = 10; step <= 100; ++step) append(step);
  const std::string later = test::read_file(folder / "metrics.csv").substr(metrics.size());
  run.begin_after(9);
  EXPECT_EQ(test::read_file(folder / "metrics.csv"), metrics);
  EXPECT_EQ(test::read_file(folder / "alignment.csv"), alignment);
  EXPECT_EQ(test::read_file(folder / "metrics.csv.before-step-9"), header + later);
  EXPECT_TRUE(exists(folder / "alignment.csv.before-step-9"));
  append(10);
  EXPECT_EQ(test::read_file(folder / "metrics.csv"),
            metrics + "10,1000,0.400000006,,,,10000000000000000,1,,,\n");
  EXPECT_EQ(test::read_file(folder / "alignment.csv"), alignment + "10,blocks.0,0.5,1,2\n");
  run.begin_after(9);
  EXPECT_EQ(test::read_file(folder / "metrics.csv.before-step-9"), header + later);
  EXPECT_TRUE(exists(folder / "metrics.csv.before-step-9.2"));
  run.begin_after(-1);
  EXPECT_EQ(test::read_file(folder / "metrics.csv"), header);
  EXPECT_EQ(test::read_file(folder / "alignment.csv"), "step,tensor,cosine,norm_rule,norm_bp\n");
  EXPECT_EQ(test::read_file(folder / "metrics.csv.before-step-0"), metrics);
}

TEST(RunFolder, ARowCutShortByACrashGoes) {
  test::TemporaryFolder folder;
  const std::string whole = std::string(header) + "1,100,4,,,,1,0.1,,,\n";
  for (const std::string torn : {"2,200,2", "2,200,2,,,,2,0.2,,", "2,2\n", "\n", "x,,,,,,,,,,\n"}) {
    test::write_file(folder / "metrics.csv", whole + torn);
    RunFolder run(folder.path(), Restarting::allowed);
    EXPECT_EQ(test::read_file(folder / "metrics.csv"), whole + torn) << "changed too early";
    run.begin_after(9);
    EXPECT_EQ(test::read_file(folder / "metrics.csv"), whole) << torn;
  }
}

TEST(RunFolder, AWholeLastRowWithoutItsEndStays) {
  test::TemporaryFolder folder;
  const std::string whole = std::string(header) + "1,100,4,,,,1,0.1,,,";
  test::write_file(folder / "metrics.csv", whole);
  RunFolder(folder.path(), Restarting::allowed).begin_after(1);
  EXPECT_EQ(test::read_file(folder / "metrics.csv"), whole + "\n");
}

TEST(RunFolder, ATableWithoutItsHeaderIsAnError) {
  test::TemporaryFolder folder;
  for (const char* table : {"metrics.csv", "alignment.csv"}) {
    test::write_file(folder / table, "1,100,4,,,,1,0.1,,,\n2,200,4,,,,1,0.1,,,\n");
    test::expect_error(Exit::checkpoint, {table, "line 1", "expected the header \"step,"},
                       [&] { RunFolder(folder.path(), Restarting::allowed); });
    remove_file(folder / table);
  }
  test::write_file(folder / "metrics.csv", "step,tok");  // killed while it was made
  RunFolder(folder.path(), Restarting::allowed).begin_after(-1);
  EXPECT_EQ(test::read_file(folder / "metrics.csv"), header);
}

TEST(RunFolder, AValidationLossComesIntoTheLastRow) {
  test::TemporaryFolder folder;
  RunFolder run(folder.path(), Restarting::never);
  run.begin_after(-1);
  for (const std::int64_t step : {0, 1, 2}) run.append(row_of(step));
  EXPECT_TRUE(run.lacks_validation(2));
  run.add_validation(1, 3.5);  // not the last
  EXPECT_TRUE(run.lacks_validation(1));
  run.add_validation(2, 3.5);
  EXPECT_FALSE(run.lacks_validation(2));
  run.append(row_of(3));
  EXPECT_EQ(test::read_file(folder / "metrics.csv"),
            std::string(header) +
                "0,0,,,,,0,0,,,\n1,100,4,,,,1000000000000000,0.10000000000000001,,,\n"
                "2,200,2,3.5,,,2000000000000000,0.20000000000000001,,,\n"
                "3,300,1.33333337,,,,3000000000000000,0.30000000000000004,,,\n");
}

TEST(RunTables, MissingSteps) {
  EXPECT_EQ(missing_steps({0, 1, 2}, 2), "");
  EXPECT_EQ(missing_steps({0, 1, 2}, 4), "3 to 4");
  EXPECT_EQ(missing_steps({2, 3, 5, 9}, 9), "0 to 1, 4, 6 to 8");
  EXPECT_EQ(missing_steps({}, 0), "0");
  EXPECT_EQ(missing_steps({0, 2, 4, 6, 8, 10, 12}, 12), "1, 3, 5, 7, 9, ...");
  EXPECT_EQ(missing_steps({}, -1), "");
}

TEST(RunFolder, RunJsonIsWhatTheFitReads) {
  test::TemporaryFolder folder;
  RunFolder run(folder.path(), Restarting::never);
  RunRecord record;
  record.run = "tiny";
  record.method = "dfa-logits";
  record.params = 57'700'000;
  record.params_without_embeddings = 28'000'000;
  record.trained_params = 1000;
  record.warmup_tokens = 512;
  record.flops_per_token = 3.5e8;
  record.dp = 2;
  record.machine = machine_facts();
  record.peak_flops = {{"square_gemm", 1.5e11}, {"step_shapes", 1.25e11}};
  record.started = utc_now();
  record.outcome = "failed: bad byte \xFF in a path";
  run.write_run(record);
  const auto json = nlohmann::json::parse(test::read_file(folder / "run.json"));
  EXPECT_EQ(json["schema_version"], 1);
  EXPECT_EQ(json["run"], "tiny");
  EXPECT_EQ(json["method"], "dfa-logits");
  EXPECT_EQ(json["params"], 57'700'000);
  EXPECT_EQ(json["warmup_tokens"], 512);
  EXPECT_EQ(json["layout"]["dp"], 2);
  EXPECT_EQ(json["peak_flops"]["square_gemm"], 1.5e11);
  EXPECT_FALSE(json["machine"]["cpu"].get<std::string>().empty());
  EXPECT_FALSE(json["revision"].get<std::string>().empty());
  EXPECT_FALSE(json.contains("finished"));
  EXPECT_TRUE(json["outcome"].get<std::string>().starts_with("failed: bad byte "));
  EXPECT_EQ(record.started.size(), 20u);
}

TEST(RunFolder, DeckIsReplacedWhole) {
  test::TemporaryFolder folder;
  RunFolder run(folder.path(), Restarting::never);
  run.write_deck("first, and longer\n");
  run.write_deck("second\n");
  EXPECT_EQ(test::read_file(folder / "deck.toml"), "second\n");
  EXPECT_FALSE(exists(folder / "deck.toml.tmp"));
}

// ---- folders that hold a run already

TEST(RunFolder, AnotherRunIsNotOverwritten) {
  test::TemporaryFolder folder;
  {
    RunFolder run(folder.path(), Restarting::never);
    run.begin_after(-1);
    run.append(row_of(1));
    RunRecord record;
    record.outcome = "done";
    run.write_run(record);
  }
  const std::string before = test::read_file(folder / "metrics.csv");
  test::expect_error(Exit::checkpoint,
                     {folder.path(), "already holds a run", "outcome: done", "run.name", "auto"},
                     [&] { RunFolder(folder.path(), Restarting::never); });
  EXPECT_EQ(test::read_file(folder / "metrics.csv"), before);
  const RunFolder again(folder.path(), Restarting::allowed);
  EXPECT_EQ(again.earlier_outcome(), "done");
  EXPECT_EQ(test::read_file(folder / "metrics.csv"), before);
}

TEST(RunFolder, CheckpointsAloneAreARun) {
  test::TemporaryFolder folder;
  make_folder(folder / "checkpoints");
  test::write_file(folder / "checkpoints/step_00000005.h5", "");
  test::expect_error(Exit::checkpoint, {"already holds a run", "unknown"},
                     [&] { RunFolder(folder.path(), Restarting::never); });
}

TEST(RunFolder, AFolderWithoutResultsMayBeUsedAgain) {
  test::TemporaryFolder folder;
  {
    RunFolder run(folder.path(), Restarting::never);
    run.write_deck("x\n");
    RunRecord record;
    record.outcome = "failed: early";
    run.write_run(record);
  }
  const RunFolder again(folder.path(), Restarting::never);
  EXPECT_EQ(again.earlier_outcome(), "failed: early");
}

TEST(RunFolder, SpoiltRunJsonDoesNotStopARestart) {
  test::TemporaryFolder folder;
  for (const char* text : {"", "{", "[]", "{\"outcome\": 3}"}) {
    test::write_file(folder / "run.json", text);
    EXPECT_EQ(RunFolder(folder.path(), Restarting::allowed).earlier_outcome(), "unknown") << text;
  }
}

TEST(RunFolder, TwoProgramsInOneFolder) {
  test::TemporaryFolder folder;
  const RunFolder first(folder.path(), Restarting::allowed);
  test::expect_error(Exit::checkpoint, {folder.path(), "in use by process", "run.name"},
                     [&] { RunFolder(folder.path(), Restarting::allowed); });
}

TEST(RunFolder, CannotBeMade) {
  test::TemporaryFolder folder;
  const std::string file = test::write_file(folder / "file", "");
  test::expect_error(Exit::checkpoint, {file, "cannot make the folder"},
                     [&] { RunFolder(file + "/run", Restarting::never); });
  test::expect_error(Exit::checkpoint, {"/proc/version"},
                     [&] { RunFolder("/proc/version", Restarting::never); });
}

}  // namespace
}  // namespace dfascale
