// Decks that are right: defaults, presets, units, overrides, the resolved deck.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "deck/deck.hpp"
#include "deck/keys.hpp"
#include "deck/reading.hpp"
#include "deck/suggest.hpp"
#include "deck/words.hpp"

namespace dfascale {
namespace {

Settings parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_deck(text, "inputs/mine.toml", overrides);
}
std::string method(const std::vector<std::string>& overrides) {
  return parse("", overrides).run.method;
}

TEST(DeckKeys, EveryDefaultIsAllowed) {
  for (const Key& key : deck_keys()) {
    EXPECT_FALSE(key.help.empty()) << key.path();
    EXPECT_EQ(key.help.back(), '.') << key.path();
    EXPECT_NE(key.fallback.has_value(), !key.derived_default.empty()) << key.path();
    if (key.fallback) {
      EXPECT_EQ(convert(key, *key.fallback), key.fallback) << key.path();
    }
  }
}

TEST(DeckKeys, EveryKeyReachesItsOwnMember) {
  // A value other than the default is written and read back, and no other key changes.
  for (const Key& key : deck_keys()) {
    if (key.path() == "rule.name") continue;  // a preset: changes others on purpose
    const Settings before = parse("");
    Settings after = before;
    Value other = key.read(before);
    if (auto* flag = std::get_if<bool>(&other)) *flag = !*flag;
    if (auto* whole = std::get_if<std::int64_t>(&other)) *whole += 1;
    if (auto* real = std::get_if<double>(&other)) *real += 0.25;
    if (auto* text = std::get_if<std::string>(&other)) {
      if (key.kind == Kind::word) {
        const std::string was = *text;
        for (const std::string_view word : key.words) {
          if (word != was) *text = word;
        }
        if (*text == was) continue;  // one word only
      } else {
        *text = "some/where";
      }
    }
    key.write(after, other);
    const auto changed = differences(before, after);
    ASSERT_EQ(changed.size(), 1u) << key.path();
    EXPECT_TRUE(changed[0].starts_with(key.path() + ": ")) << changed[0];
  }
}

TEST(Deck, EmptyDeckHasDefaults) {
  const Settings s = parse("");
  EXPECT_EQ(s.model.context, 512);
  EXPECT_EQ(s.model.vocab, 0);
  EXPECT_TRUE(s.model.tied);
  EXPECT_EQ(s.rule.name, "bp");
  EXPECT_EQ(s.rule.embedding, EmbeddingCredit::chain);
  EXPECT_EQ(s.optim.schedule, RateSchedule::cosine);
  EXPECT_EQ(s.optim.warmup_tokens, s.optim.tokens / 50);
  EXPECT_EQ(s.run.restart, Restart::automatic);
  EXPECT_EQ(s.run.method, "bp");
  EXPECT_EQ(s.run.name, "mine-bp");
}

TEST(Deck, PresetsFillTheRuleAndKeysWinOverThem) {
  const Settings s = parse("[rule]\nerror = \"logits\"\nname = \"dfa\"\n");
  EXPECT_EQ(s.rule.error, ErrorTap::logits);
  EXPECT_EQ(s.rule.residual, Residual::asymmetric);
  EXPECT_EQ(s.rule.derivative, Derivative::tanh);
  EXPECT_EQ(s.rule.embedding, EmbeddingCredit::block);
  const Settings canonical = parse("[rule]\nname = \"dfa-canonical\"\n");
  EXPECT_EQ(canonical.rule.granularity, Granularity::layer);
  EXPECT_EQ(canonical.rule.embedding, EmbeddingCredit::direct);
}

TEST(Deck, MethodNamesTheRule) {
  EXPECT_EQ(method({"rule.name=dfa"}), "dfa");
  EXPECT_EQ(method({"rule.name=dfa", "rule.error=logits"}), "dfa-logits");
  EXPECT_EQ(method({"rule.name=dfa", "rule.error=preprojector"}), "dfa");
  EXPECT_EQ(method({"rule.name=dfa", "rule.feedback_scale=0.5"}), "dfa-scale-0.5");
  EXPECT_EQ(method({"rule.name=dfa", "rule.feedback=identity", "rule.block_lr_multiplier=2"}),
            "dfa-identity-blocklr-2");
  EXPECT_EQ(method({"rule.name=dfa", "rule.residual=vanilla", "rule.derivative=exact"}),
            "dfa-vanilla-exact");
  EXPECT_EQ(method({"rule.name=dfa-canonical", "rule.granularity=block", "rule.embedding=block"}),
            "dfa-canonical-block-embedding-block");
  EXPECT_EQ(method({"rule.name=shallow"}), "shallow");
  EXPECT_EQ(method({"rule.name=shallow", "rule.train_projector=true"}), "shallow-projector");
  EXPECT_EQ(method({"rule.name=dfa", "run.method=dfa-tuned"}), "dfa-tuned");
}

TEST(Deck, TokensTakeUnits) {
  EXPECT_EQ(parse("[optim]\ntokens = 30_000_000_000").optim.tokens, 30'000'000'000);
  EXPECT_EQ(parse("[optim]\ntokens = \"30B\"").optim.tokens, 30'000'000'000);
  EXPECT_EQ(parse("[optim]\ntokens = \"0.1B\"").optim.tokens, 100'000'000);
  EXPECT_EQ(parse("", {"optim.tokens=2.5M"}).optim.tokens, 2'500'000);
  EXPECT_EQ(parse("", {"optim.tokens=1e9"}).optim.tokens, 1'000'000'000);
  EXPECT_EQ(count_from_text("64 K"), 64'000);
  EXPECT_EQ(count_from_text("1.5"), std::nullopt);
  EXPECT_EQ(count_from_text("3X"), std::nullopt);
  EXPECT_EQ(count_from_text("-3M"), std::nullopt);
  EXPECT_EQ(count_from_text(""), std::nullopt);
}

TEST(Deck, WalltimeTakesUnits) {
  EXPECT_EQ(parse("[run]\nwalltime = 90").run.walltime, 90);
  EXPECT_EQ(parse("[run]\nwalltime = \"2h30m\"").run.walltime, 9000);
  EXPECT_EQ(parse("[run]\nwalltime = 02:30:00").run.walltime, 9000);
  EXPECT_EQ(parse("", {"run.walltime=48:00:01"}).run.walltime, 172801);
  EXPECT_EQ(seconds_from_text("1d 1s"), 86401);
  EXPECT_EQ(seconds_from_text("1.5h"), 5400);
  EXPECT_EQ(seconds_from_text("90"), std::nullopt);
  EXPECT_EQ(seconds_from_text("1:2"), std::nullopt);
  EXPECT_EQ(seconds_from_text("1:99:00"), std::nullopt);
  EXPECT_EQ(seconds_from_text("h"), std::nullopt);
}

TEST(Deck, MemoryTakesUnits) {
  EXPECT_EQ(parse("").run.memory, 0);
  EXPECT_EQ(parse("[run]\nmemory = \"\"").run.memory, 0);
  EXPECT_EQ(parse("", {"run.memory="}).run.memory, 0);
  EXPECT_EQ(parse("[run]\nmemory = 1_000_000").run.memory, 1'000'000);
  EXPECT_EQ(parse("[run]\nmemory = \"8 GiB\"").run.memory, std::int64_t{8} << 30);
  EXPECT_EQ(parse("", {"run.memory=1.5GB"}).run.memory, 1'500'000'000);
  EXPECT_EQ(bytes_from_text("64 B"), 64);
  EXPECT_EQ(bytes_from_text("3KB"), 3'000);
  EXPECT_EQ(bytes_from_text("3KiB"), 3'072);
  EXPECT_EQ(bytes_from_text("500MB"), 500'000'000);
  EXPECT_EQ(bytes_from_text("0.5 MiB"), 524'288);
  EXPECT_EQ(bytes_from_text("2TB"), 2'000'000'000'000);
  EXPECT_EQ(bytes_from_text("1TiB"), std::int64_t{1} << 40);
  EXPECT_EQ(bytes_from_text("0.1 GiB"), 107'374'182) << "to the nearest byte";
  for (const char* odd : {"8", "8 G", "8 gb", "GiB", "-1 GB", "8 GiB 2", "8 GX", " ", "1e999 GB"})
    EXPECT_EQ(bytes_from_text(odd), std::nullopt) << odd;
  const Settings s = parse("[run]\nmemory = \"8 GiB\"");
  EXPECT_EQ(parse(show_deck(s)).run.memory, s.run.memory);
}

TEST(Deck, OverridesWinAndTakeBareWords) {
  const Settings s = parse("[model]\nwidth = 64\n[data]\ntrain = \"a\"",
                           {"model.width=128", "data.train=b/c *.bin", "run.name=57",
                            "model.tied=false", "rule.name=\"shallow\"", "model.width=256"});
  EXPECT_EQ(s.model.width, 256);
  EXPECT_EQ(s.data.train, "b/c *.bin");
  EXPECT_EQ(s.run.name, "57");
  EXPECT_FALSE(s.model.tied);
  EXPECT_EQ(s.rule.name, "shallow");
}

TEST(Deck, RestartIsAWordOrAPath) {
  EXPECT_EQ(parse("", {"run.restart=never"}).run.restart, Restart::never);
  const Settings s = parse("", {"run.restart=./old/ckpt.h5"});
  EXPECT_EQ(s.run.restart, Restart::path);
  EXPECT_EQ(s.run.restart_path, "./old/ckpt.h5");
  for (const Settings& at : {parse("", {"run.restart=1200"}), parse("[run]\nrestart = 1200"),
                             parse("[run]\nrestart = \"1200\"")}) {
    EXPECT_EQ(at.run.restart, Restart::step);
    EXPECT_EQ(at.run.restart_step, 1200);
    EXPECT_EQ(parse(show_deck(at)).run.restart_step, 1200);
  }
}

TEST(Deck, ShownDeckReadsBackTheSame) {
  const std::vector<std::vector<std::string>> decks = {
      {},
      {"rule.name=dfa", "rule.feedback_scale=0.1", "optim.learning_rate=1.2345678901234567e-4"},
      {"rule.name=dfa-canonical", "rule.residual=vanilla", "rule.derivative=tanh"},
      {"rule.name=shallow", "rule.train_projector=true"},
      {"data.train=\"odd \\\" \\\\ näme \"", "run.restart=a/b", "optim.tokens=30B"},
      {"run.seed=1000000000000000000", "run.walltime=1h", "optim.clip=none", "model.tied=false"},
  };
  for (const auto& overrides : decks) {
    const Settings s = parse("", overrides);
    const Settings again = parse_deck(show_deck(s), "elsewhere.toml", {});
    EXPECT_EQ(differences(s, again), std::vector<std::string>{});
    EXPECT_EQ(show_deck(again), show_deck(s));
  }
}

TEST(Deck, ShownDeckHasEveryKeyAndSaysWhichDoNothing) {
  for (const Rule& rule : rules) {
    const Settings settings = parse("", {"rule.name=" + std::string(rule.name)});
    const std::string text = show_deck(settings);
    for (const Key& key : deck_keys()) {
      const std::string name(key.name);
      const bool is_used = without_meaning(key, settings.rule).empty();
      const std::string line = is_used ? "\n" + name + " = " : "\n# " + name + ": no meaning";
      EXPECT_NE(text.find(line), std::string::npos) << key.path();
      EXPECT_NE(text.find(key.help), std::string::npos) << key.path();
    }
  }
}

TEST(Deck, DifferencesNameTheKeyAndBothValues) {
  const auto list = differences(parse(""), parse("", {"optim.beta1=0.8", "model.layers=5"}));
  EXPECT_EQ(list,
            (std::vector<std::string>{"model.layers: 5, was 4", "optim.beta1: 0.8, was 0.9"}));
}

TEST(Deck, LayoutFollowsTheRanks) {
  Settings s = parse("[optim]\nbatch_sequences = 12\n[parallel]\nmicro_batches = 2");
  resolve_layout(s, 3);
  EXPECT_EQ(s.parallel.dp, 3);
  EXPECT_EQ(s.micro_batch_sequences(), 2);
  Settings uneven = parse("[optim]\nbatch_sequences = 12");
  EXPECT_THROW(resolve_layout(uneven, 5), Error);
  Settings fixed = parse("[parallel]\ndp = 2");
  EXPECT_THROW(resolve_layout(fixed, 1), Error);
}

std::vector<std::string> ties(const std::vector<std::string>& overrides) {
  return ties_between_stages(parse("", overrides));
}

TEST(Deck, TiesBetweenStagesNameTheirKeysCostsAndCures) {
  const std::vector<std::string> both = ties({"rule.name=dfa", "parallel.pp=4"});
  ASSERT_EQ(both.size(), 2U);
  for (const char* part : {"optim.clip = \"global\"", "unlocked", "3 forward(s)", "\"block\""})
    EXPECT_NE(both[0].find(part), std::string::npos) << part << ": " << both[0];
  for (const char* part : {"model.tied = true", "model.tied = false"})
    EXPECT_NE(both[1].find(part), std::string::npos) << part << ": " << both[1];
  EXPECT_EQ(ties({"rule.name=dfa", "parallel.pp=4", "optim.clip=block"}).size(), 1U);
  EXPECT_EQ(ties({"rule.name=dfa", "parallel.pp=4", "optim.clip=none", "model.tied=false"}).size(),
            0U);
  // The frozen projector of the plain baseline has no gradient to exchange.
  EXPECT_EQ(ties({"rule.name=shallow", "parallel.pp=4"}).size(), 1U);
  EXPECT_EQ(ties({"rule.name=bp", "parallel.pp=4", "parallel.schedule=zb-h2"}).size(), 2U);
}

TEST(Deck, TiesMatterOnlyWhereStagesCouldRunOn) {
  EXPECT_TRUE(ties({"rule.name=bp", "parallel.pp=4"}).empty());
  EXPECT_TRUE(ties({"rule.name=dfa"}).empty());
  EXPECT_TRUE(ties({"rule.name=dfa", "parallel.pp=4", "parallel.schedule=gpipe"}).empty());
}

TEST(Deck, ReferenceHasEveryKey) {
  for (const std::string& page : {deck_reference_markdown(), deck_reference_text()}) {
    for (const Key& key : deck_keys()) {
      EXPECT_NE(page.find(key.help), std::string::npos) << key.path();
    }
  }
}

TEST(Deck, EveryDeckInInputsIsRight) {
  std::set<std::string> runs;
  int decks = 0;
  const std::filesystem::path inputs = std::string(DFASCALE_SOURCE_DIR) + "/inputs";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(inputs)) {
    if (entry.path().extension() != ".toml") continue;
    // Machines are read by `dfascale plan`.
    if (entry.path().parent_path().filename() == "machines") continue;
    // Studies are read by test_study.
    if (deck_text(entry.path().string()).find("\n[study]\n") != std::string::npos) continue;
    ++decks;
    Settings settings{};
    ASSERT_NO_THROW(settings = read_deck(entry.path().string(), {})) << entry.path();
    EXPECT_TRUE(runs.insert(settings.run.name).second) << settings.run.name << " twice";
  }
  EXPECT_GE(decks, 10);
}

TEST(Words, GoThereAndBack) {
  EXPECT_EQ(word(Feedback::orthogonal), "orthogonal");
  EXPECT_EQ(from_word<RateSchedule>("wsd"), RateSchedule::wsd);
  EXPECT_EQ(from_word<Clip>("nothing"), std::nullopt);
}

TEST(Suggest, CountsEditsAndFindsTheNearest) {
  EXPECT_EQ(edit_distance("width", "widht"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(nearest("lerning_rate", {"learning_rate", "floor"}), "learning_rate");
  EXPECT_EQ(nearest("DFA", {"bp", "dfa"}), "dfa");
  EXPECT_EQ(nearest("elephant", {"width", "heads"}), "");
}

}  // namespace
}  // namespace dfascale
