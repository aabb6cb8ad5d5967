// The accountings, and the cleaning of a run with its warnings.
#include <gtest/gtest.h>

#include <limits>

#include "analysis/clean.hpp"

namespace dfascale::fit {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// A run whose cost column is 6 N D.
InputRun run_of(const std::vector<std::pair<double, double>>& tokens_and_loss) {
  InputRun run{"bp", "r", 10, 0, {}, {}};
  for (const auto& [tokens, loss] : tokens_and_loss)
    run.rows.push_back({tokens, 60 * tokens, loss, 0});
  return run;
}

Options no_warmup() {
  Options options;
  options.warmup_frac = 0;
  return options;
}

std::int64_t count_of(const Warnings& warnings, const std::string& code) {
  for (const Warning& warning : warnings)
    if (warning.code == code) return warning.count.value_or(1);
  return 0;
}

/// C of a single row of 100 tokens, N = 10, for a method.
double compute_of(const std::string& method, const Options& options, Warnings& warnings,
                  std::optional<double> paper_factor = {}) {
  InputRun run{method, "r", 10, 0, paper_factor, {{100, 777, 3, 0}}};
  return clean_runs({run}, options, warnings).at(0).rows.at(0).compute;
}

TEST(FitClean, FamilyIsTheLeadingLetters) {
  EXPECT_EQ(family("dfa-block"), "dfa");
  EXPECT_EQ(family("DFA2"), "dfa");
  EXPECT_EQ(family("shallow"), "shallow");
  EXPECT_EQ(family("2x"), "");
}

TEST(FitClean, AccountingsAndTheirPrecedence) {
  Warnings w;
  Options o;
  EXPECT_EQ(compute_of("bp", o, w), 6000);
  EXPECT_EQ(compute_of("dfa-block", o, w), 4000);
  EXPECT_EQ(compute_of("shallow-projector", o, w), 2000);
  EXPECT_TRUE(w.empty());
  EXPECT_EQ(compute_of("greedy", o, w), 6000);
  EXPECT_EQ(count_of(w, "unknown_method_factor"), 1);
  EXPECT_EQ(compute_of("dfa", o, w, 4.5), 4500) << "run.json's paper_factor";
  o.factors = {{"dfa", 5}};
  EXPECT_EQ(compute_of("dfa", o, w, 4.5), 5000) << "--factor before paper_factor";
  o.accounting = Accounting::optimistic;
  EXPECT_EQ(compute_of("dfa", o, w), 5000) << "--factor before optimistic";
  EXPECT_EQ(compute_of("dfa-block", o, w, 4.5), 2000) << "optimistic before paper_factor";
  EXPECT_EQ(compute_of("bp", o, w, 7.0), 7000);
  o.accounting = Accounting::exact;
  EXPECT_EQ(compute_of("dfa", o, w), 777);
  o.accounting = Accounting::seconds;
  EXPECT_EQ(compute_of("dfa", o, w), 777);
}

TEST(FitClean, BlankTokensComeFromCompute) {
  InputRun run = run_of({{0, 3}});
  run.rows[0] = {0, 6000, 3, InputRow::tokens_column};
  Warnings w;
  EXPECT_EQ(clean_runs({run}, no_warmup(), w)[0].rows[0].tokens, 100);
  Options exact = no_warmup();
  exact.accounting = Accounting::exact;
  EXPECT_EQ(clean_runs({run}, exact, w)[0].rows[0].tokens, 100);
  EXPECT_TRUE(w.empty());
}

TEST(FitClean, BlankDuplicateUnsortedAndWarmup) {
  InputRun run = run_of({{400, 2.5}, {100, 4}, {200, 3.5}, {200, 3.5}, {300, 9}, {300, 3}, {1, 5}});
  run.rows.push_back({500, 30000, 0, InputRow::loss_column});
  Options options;
  options.warmup_frac = 0.02;  // of 400 tokens: the row at 1 goes
  Warnings w;
  const auto runs = clean_runs({run}, options, w);
  ASSERT_EQ(runs.at(0).rows.size(), 4U);
  EXPECT_EQ(runs[0].rows[0].tokens, 100);
  EXPECT_EQ(runs[0].rows[2].loss, 3) << "the last of equal tokens counts";
  EXPECT_EQ(count_of(w, "blank"), 1);
  EXPECT_EQ(count_of(w, "duplicate"), 1);
  EXPECT_EQ(count_of(w, "duplicate_conflict"), 1);
  run.warmup_tokens = 150;
  EXPECT_EQ(clean_runs({run}, options, w)[0].rows.size(), 3U);
}

TEST(FitClean, DivergedFromTheFirstNonFiniteLoss) {
  Warnings w;
  const auto runs =
      clean_runs({run_of({{300, 2}, {200, nan}, {100, 4}, {400, 2}})}, no_warmup(), w);
  ASSERT_EQ(runs.at(0).rows.size(), 1U);
  EXPECT_EQ(runs[0].rows[0].tokens, 100);
  EXPECT_EQ(count_of(w, "diverged"), 3);
}

TEST(FitClean, UnusableRowsAndRuns) {
  Warnings w;
  auto runs =
      clean_runs({run_of({{-1, 3}, {0, 3}, {nan, 3}, {100, -2}, {200, 3}})}, no_warmup(), w);
  EXPECT_EQ(runs.at(0).rows.size(), 1U);
  EXPECT_EQ(count_of(w, "nonpositive"), 4);

  InputRun falling = run_of({{100, 3}, {200, 2}});
  falling.name = "falling";
  falling.rows[1].cost = 1;
  Options exact = no_warmup();
  exact.accounting = Accounting::exact;
  runs = clean_runs({falling, run_of({{100, 3}})}, exact, w);
  EXPECT_EQ(runs.size(), 1U);
  EXPECT_EQ(count_of(w, "compute_not_increasing"), 1);
  EXPECT_THROW(clean_runs({falling}, exact, w), InputError);
  EXPECT_THROW(clean_runs({}, exact, w), InputError);
}

}  // namespace
}  // namespace dfascale::fit
