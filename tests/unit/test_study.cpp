// Studies: which runs a file means, what they are called, and in which order they are packed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/error.hpp"
#include "study/claim.hpp"
#include "study/pack.hpp"
#include "study/rates.hpp"
#include "study/study.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

constexpr std::string_view small = R"([study]
name = "small"
dir = "out/small"
[model]
init_std = 0.05
vocab = 256
[run]
seed = [1, 2]
[[size]]
name = "a"
layers = 2
width = 32
[[size]]
layers = 3
width = 64
optim.tokens = "2M"
[[rule]]
name = "bp"
optim.learning_rate = [1e-3, 3e-3]
at.a.optim.learning_rate = 2e-3
[[rule]]
name = "dfa"
model.init_std = 0.1
feedback_scale = [1, 2]
)";

std::set<std::string> names_of(const Study& study) {
  std::set<std::string> names;
  for (const StudyRun& run : study.runs) names.insert(run.name());
  return names;
}

const Settings& settings_of(const Study& study, std::string_view name) {
  const auto found =
      std::ranges::find_if(study.runs, [&](const StudyRun& run) { return run.name() == name; });
  if (found == study.runs.end()) throw std::out_of_range(std::string(name));
  return found->settings;
}

TEST(Study, FilesInInputsAreRight) {
  const std::string inputs = std::string(DFASCALE_SOURCE_DIR) + "/inputs/";
  // 5 sizes x 4 rules; one size, 9 + 6 + 9 rates and initial values, 24 ways of DFA.
  EXPECT_EQ(read_study(inputs + "quickstart.toml", {}).runs.size(), 20u);
  EXPECT_EQ(read_study(inputs + "quickstart_sweep.toml", {}).runs.size(), 48u);
  struct Count {
    const char* file;
    std::size_t runs, searches;
  };
  // 6 sizes x 6 rules; 17 variants with 2 seeds; 5 sizes x 4 rules.
  for (const auto& [file, runs, searches] :
       {Count{"cpu-small.toml", 36, 36}, {"ablations.toml", 34, 17}, {"paper.toml", 20, 20}}) {
    const Study study = read_study(inputs + file, {});
    EXPECT_EQ(study.runs.size(), runs) << file;
    EXPECT_EQ(study.searches.size(), searches) << file;
  }
}

TEST(Study, IsTheProductOfSizesRulesAndLists) {
  const std::set<std::string> expected = {"bp-a-s1",
                                          "bp-a-s2",
                                          "bp-3x64-lr0.001-s1",
                                          "bp-3x64-lr0.001-s2",
                                          "bp-3x64-lr0.003-s1",
                                          "bp-3x64-lr0.003-s2",
                                          "dfa-a-s1",
                                          "dfa-a-s2",
                                          "dfa-3x64-s1",
                                          "dfa-3x64-s2",
                                          "dfa-scale-2-a-s1",
                                          "dfa-scale-2-a-s2",
                                          "dfa-scale-2-3x64-s1",
                                          "dfa-scale-2-3x64-s2"};
  EXPECT_EQ(names_of(parse_study(small, "small.toml", {})), expected);
}

TEST(Study, LaterPartsWin) {
  const Study study = parse_study(small, "small.toml", {});
  EXPECT_EQ(settings_of(study, "bp-a-s1").optim.learning_rate, 2e-3);
  EXPECT_EQ(settings_of(study, "bp-a-s1").model.init_std, 0.05);
  EXPECT_EQ(settings_of(study, "dfa-a-s2").model.init_std, 0.1);
  EXPECT_EQ(settings_of(study, "dfa-a-s2").run.seed, 2u);
  EXPECT_EQ(settings_of(study, "dfa-3x64-s1").optim.tokens, 2'000'000);
  EXPECT_EQ(settings_of(study, "dfa-3x64-s1").optim.warmup_tokens, 40'000);
  EXPECT_EQ(settings_of(study, "dfa-scale-2-a-s1").rule.feedback_scale, 2);
  EXPECT_EQ(settings_of(study, "dfa-a-s1").run.dir, "out/small/runs");
}

TEST(Study, OverridesWinOverAll) {
  const Study study =
      parse_study(small, "small.toml",
                  {"model.init_std=0.2", "run.seed=[7]", "study.dir=elsewhere", "study.workers=3"});
  EXPECT_EQ(study.dir, "elsewhere");
  EXPECT_EQ(study.workers, 3);
  EXPECT_EQ(study.runs.size(), 7u);
  EXPECT_EQ(settings_of(study, "dfa-a").model.init_std, 0.2);
}

TEST(Study, PredictsExactFlops) {
  Study study = parse_study(small, "small.toml", {"optim.tokens=1M"});
  predict(study);
  // By hand (SPEC section 5), per token: 2 blocks of 2 * 12 * 32^2 for the linears and 2 * 2 * 32 *
  // T/2 for attention, with T = 128 the default context or as the deck says; 2 * 32 * 256 for the
  // projector; backpropagation three times, less the input gradient of nothing below x0.
  const Settings& s = settings_of(study, "bp-a-s1");
  const double T = static_cast<double>(s.model.context);
  const double forward = 2 * (2 * 12 * 32 * 32 + 2 * 32 * (T + 1)) + 2 * 32 * 256;
  const auto run =
      std::ranges::find_if(study.runs, [](const StudyRun& r) { return r.name() == "bp-a-s1"; });
  const double tokens = static_cast<double>(s.steps() * s.step_tokens());
  EXPECT_NEAR(run->flops / (3 * forward * tokens), 1, 0.02);
}

constexpr std::string_view searching = R"([study]
dir = "out"
search_share = 0.5
[model]
vocab = 256
[optim]
tokens = "1M"
batch_sequences = 8
[run]
seed = [4, 5]
[[size]]
width = 32
[[rule]]
name = "dfa"
run.method = "dfa"
optim.learning_rate.search = [3e-3, 1e-3]
block_lr_multiplier = {search = [0.1, 0.2, 0.4]}
at.4x32.rule.block_lr_multiplier = {search = [0.1, 0.2]}
)";

TEST(Search, OneForAllSeedsWithAShareOfTheTokens) {
  const Study study = parse_study(searching, "s.toml", {});
  EXPECT_EQ(names_of(study), (std::set<std::string>{"dfa-4x32-s4", "dfa-4x32-s5"}));
  ASSERT_EQ(study.searches.size(), 1u);
  for (const StudyRun& run : study.runs) EXPECT_EQ(run.search, 0u);
  const Search& search = study.searches.front();
  EXPECT_EQ(search.name, "dfa-4x32");
  ASSERT_EQ(search.axes.size(), 2u);
  const Settings& base = search.base.settings;
  EXPECT_EQ(base.run.seed, 4u);
  EXPECT_EQ(base.run.dir, "out/search");
  EXPECT_EQ(base.optim.tokens, 500'000);
  EXPECT_EQ(base.optim.warmup_tokens, 10'000);
  std::set<std::string> candidates;
  const Exploration found = explore(search, [](const StudyRun&) { return std::nullopt; });
  for (const StudyRun& run : found.candidates) candidates.insert(run.name());
  EXPECT_EQ(candidates,
            (std::set<std::string>{"dfa-4x32-blocklr0.1-lr0.001", "dfa-4x32-blocklr0.1-lr0.003",
                                   "dfa-4x32-blocklr0.2-lr0.001", "dfa-4x32-blocklr0.2-lr0.003"}));
  EXPECT_FALSE(found.best);
}

/// A search over one learning rate, and what it finds if a rate's loss is `loss`.
Exploration explored(const std::string& grid, const std::function<double(double)>& loss) {
  const std::string text = "[model]\nvocab = 256\n[optim]\nlearning_rate.search = " + grid +
                           "\n[[size]]\nwidth = 32\n[[rule]]\nname = \"bp\"\n";
  const Study study = parse_study(text, "s.toml", {});
  return explore(study.searches.at(0),
                 [&](const StudyRun& run) { return loss(run.settings.optim.learning_rate); });
}

/// |ln(rate / best)|
std::function<double(double)> valley(double best) {
  return [best](double rate) { return std::abs(std::log(rate / best)); };
}

double best_rate(const Exploration& found) { return std::get<double>(found.best.value().at(0)); }

TEST(Search, GrowsTheGridWhereTheBestLiesAtItsEdge) {
  const Exploration inside = explored("[1e-3, 3e-3, 1e-2]", valley(3e-3));
  EXPECT_EQ(inside.candidates.size(), 3u);
  EXPECT_EQ(best_rate(inside), 3e-3);
  const Exploration above = explored("[1e-3, 3e-3]", valley(0.03));
  EXPECT_EQ(above.candidates.size(), 5u) << "0.009, 0.027, 0.081";
  EXPECT_EQ(best_rate(above), 0.027);
  const Exploration below = explored("[3e-3, 1e-3]", valley(1e-4));
  EXPECT_EQ(best_rate(below), 1.1e-4) << "two digits of each: 3.3e-4, 1.1e-4, 3.7e-5";
  EXPECT_EQ(below.candidates.size(), 5u);
}

TEST(Search, GrowsFourTimesAtMostAndNotOutOfRange) {
  const Exploration far = explored("[1e-3, 2e-3]", valley(50));
  EXPECT_EQ(far.candidates.size(), 2u + most_widenings);
  EXPECT_EQ(best_rate(far), 0.032);
  const Exploration end = explored("[10, 50]", valley(1e6));
  EXPECT_EQ(end.candidates.size(), 2u) << "250 is no learning rate";
  EXPECT_EQ(best_rate(end), 50);
}

TEST(Search, GoesDownWhereAllDiverge) {
  const auto above = [](double limit) {
    return [limit](double rate) { return rate > limit ? INFINITY : 1 / rate; };
  };
  EXPECT_EQ(best_rate(explored("[0.1, 0.2]", above(0.03))), 0.025) << "0.05, 0.025, 0.013";
  const Exploration none = explored("[0.1, 0.2]", above(0));
  EXPECT_FALSE(none.best);
  EXPECT_TRUE(none.is_hopeless);
  EXPECT_EQ(none.candidates.size(), 2u + most_widenings);
}

TEST(Search, SettlesWhatItSearched) {
  const Study study = parse_study(searching, "s.toml", {});
  const Search& search = study.searches.front();
  Settings settings = study.runs.front().settings;
  const Place place = {0.2, 0.03};
  put(settings, search, place);
  EXPECT_EQ(settings.rule.block_lr_multiplier, 0.2);
  EXPECT_EQ(settings.optim.learning_rate, 0.03);
  EXPECT_EQ(describe(search, place), "block_lr_multiplier = 0.2, learning_rate = 0.03");
}

TEST(Claim, IsHeldByOneAndGoneWithIt) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "claims/a";
  EXPECT_FALSE(holder(path));
  {
    const auto claim = Claim::take(path);
    ASSERT_TRUE(claim);
    EXPECT_FALSE(Claim::take(path));
    EXPECT_TRUE(holder(path).value().starts_with("process "));
  }
  EXPECT_FALSE(holder(path));
  EXPECT_TRUE(Claim::take(path));
}

TEST(StudyLock, IsForOneOrForTasks) {
  const test::TemporaryFolder folder;
  {
    const StudyLock one(folder.path(), Sharing::with_others),
        two(folder.path(), Sharing::with_others);
    EXPECT_THROW(StudyLock(folder.path(), Sharing::alone), Error);
  }
  const StudyLock alone(folder.path(), Sharing::alone);
  EXPECT_THROW(StudyLock(folder.path(), Sharing::with_others), Error);
}

TEST(Rates, AreThoseOfTheMostSimilarRuns) {
  Study study = parse_study(small, "small.toml", {});
  predict(study);
  const auto run = [&](std::string_view name) {
    return *std::ranges::find_if(study.runs, [&](const StudyRun& r) { return r.name() == name; });
  };
  const auto spent = [](double flops, double seconds) {
    RunState state;
    state.flops = flops;
    state.seconds = seconds;
    return state;
  };
  Rates rates;
  EXPECT_FALSE(rates.of(run("bp-a-s1")));
  EXPECT_FALSE(rates.seconds_left(run("bp-a-s1"), {}));
  rates.add(run("bp-a-s1"), spent(1e9, 1));
  rates.add(run("bp-a-s2"), spent(3e9, 1));
  EXPECT_EQ(rates.of(run("bp-a-s2")), 2e9) << "rule and size";
  EXPECT_EQ(rates.of(run("bp-3x64-lr0.001-s1")), 2e9) << "rule";
  rates.add(run("dfa-3x64-s1"), spent(8e9, 1));
  EXPECT_EQ(rates.of(run("dfa-a-s1")), 8e9) << "rule before size";
  const StudyRun& whole = run("bp-a-s1");
  EXPECT_NEAR(*rates.seconds_left(whole, spent(whole.flops / 2, 1)),
              (whole.flops + whole.passes) / 2 / 2e9, 10);
  RunState done;
  done.progress = Progress::done;
  EXPECT_EQ(rates.seconds_left(whole, done), 0);
}

struct Mistake {
  std::string text;
  std::vector<std::string> overrides;
  std::vector<std::string_view> said;
};

TEST(Study, MistakesAreNamedByLineAndCure) {
  const std::string good = "[[size]]\nwidth = 64\n[[rule]]\nname = \"bp\"\n";
  const Mistake mistakes[] = {
      {"[[size]]\nwidht = 64\n[[rule]]\nname = \"bp\"",
       {},
       {"bad.toml:2: [model] widht", "did you mean \"width\"?"}},
      {"[[size]]\nwidth = 64\n[[rule]]\nname = \"bpp\"",
       {},
       {"bad.toml:4: rule.name = \"bpp\"", "did you mean \"bp\"?"}},
      {"[[size]]\nwidth = [64, \"x\"]\n[[rule]]\nname = \"bp\"",
       {},
       {"bad.toml:2: model.width = \"x\"", "expected an integer"}},
      {"[[size]]\nwidth = []\n[[rule]]\nname = \"bp\"",
       {},
       {"bad.toml:2: model.width = []", "at least one value"}},
      {"[[sise]]\nwidth = 64\n[[rule]]\nname = \"bp\"",
       {},
       {"bad.toml:1: sise", "did you mean \"size\"?"}},
      {"[study]\nworker = 3\n" + good,
       {},
       {"bad.toml:2: [study] worker", "did you mean \"workers\"?"}},
      {"[study]\nworkers = -1\n" + good, {}, {"bad.toml:2: study.workers", "0 to 4096"}},
      {"[run]\nname = \"x\"\n" + good, {}, {"bad.toml:2: run.name", "study.dir"}},
      {"[[rule]]\nname = \"bp\"", {}, {"no [[size]]"}},
      {"[[size]]\nwidth = 64", {}, {"no [[rule]]"}},
      {good + "at.huge.optim.learning_rate = 1", {}, {"bad.toml:3: [[rule]] at.huge", "sizes are"}},
      {good + "[[rule]]\nname = \"bp\"", {}, {"two runs would be called bp-", "run.method"}},
      {good + "optim.learning_rate.search = [1]", {}, {"bad.toml:5: optim.learning_rate", "two"}},
      {good + "optim.learning_rate.serch = [1, 2]", {}, {"bad.toml:5: optim.learning_rate"}},
      {good + "optim.learning_rate.search = [1, 1]", {}, {"bad.toml:5", "1.0 is there twice"}},
      {good + "optim.tokens.search = [1, 2]",
       {},
       {"bad.toml:5: optim.tokens", "cannot be searched"}},
      {"[[size]]\nwidth = 64\n[[rule]]\nname = \"dfa\"\nfeedback_scale.search = [1, 2]",
       {},
       {"bad.toml:5: rule.feedback_scale", "set run.method"}},
      {"[study]\nsearch_share = 2\n" + good, {}, {"bad.toml:2: study.search_share", "at most 1"}},
      {good, {"optim.tokenz=3"}, {"--set optim.tokenz", "did you mean \"tokens\"?"}},
      {good, {"study.workers=many"}, {"--set study.workers", "0 to 4096"}},
      {"[[size]]\nwidth = 64\nheads = 7\n[[rule]]\nname = \"bp\"",
       {},
       {"model.width = 64", "model.heads = 7"}}};
  for (const Mistake& mistake : mistakes) {
    try {
      parse_study(mistake.text, "bad.toml", mistake.overrides);
      ADD_FAILURE() << "accepted:\n" << mistake.text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::usage);
      for (const std::string_view part : mistake.said)
        EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
            << "expected to read '" << part << "' in\n"
            << error.what();
    }
  }
}

TEST(Packing, LongestFirst) {
  EXPECT_EQ(longest_first({3, 1, 4, 1, 5}), (std::vector<std::int64_t>{4, 2, 0, 1, 3}));
  EXPECT_EQ(longest_first({}), std::vector<std::int64_t>{});
}

TEST(Packing, TimeToFinish) {
  EXPECT_EQ(time_to_finish({5, 4, 3, 3, 3}, {0, 0}), 10);
  EXPECT_EQ(time_to_finish({5}, {2, 9}), 9);
  EXPECT_EQ(time_to_finish({}, {2, 1}), 2);
}

}  // namespace
}  // namespace dfascale
