// Decks that are wrong: each mistake is named by place, key, value and what is expected.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "deck/deck.hpp"

namespace dfascale {
namespace {

struct Mistake {
  std::string_view name;  ///< of the test
  std::string_view deck;
  std::vector<std::string> overrides;
  std::vector<std::string_view> said;  ///< parts of the message
};

// clang-format off
const Mistake mistakes[] = {
  {"Syntax", "[model]\nwidth = = 3", {}, {"bad.toml:2:9: not TOML: "}},
  {"SectionWithoutName", "[= \"model\"]\nwidth = 3", {}, {"bad.toml:1:2: not TOML: "}},
  {"KeyThatIsNotAscii", "[model]\n\xC3\xA9 = 3", {}, {"bad.toml: line 2, column 1: not TOML: ", "ASCII"}},
  {"UnclosedSection", "[model\nwidth = 3", {}, {"bad.toml:1:", "not TOML"}},
  {"TwiceTheKey", "[model]\nwidth = 64\nwidth = 128", {}, {"bad.toml:3:", "width"}},
  {"TwiceTheSection", "[model]\nwidth = 64\n[model]\nheads = 2", {}, {"bad.toml:3:", "model"}},
  {"UnknownSection", "[modle]\nwidth = 3", {}, {"bad.toml:1: [modle]: unknown section", "did you mean \"model\"?"}},
  {"UnknownKey", "\n[model]\nwidht = 3", {}, {"bad.toml:3: [model] widht: unknown key", "did you mean \"width\"?"}},
  {"KeyOfAnotherSection", "[optim]\nlayers = 3", {}, {"bad.toml:2: [optim] layers", "it belongs in [model]"}},
  {"KeyWithoutSection", "width = 3", {}, {"bad.toml:1: width", "it belongs in [model]"}},
  {"SectionIsNoTable", "model = 3", {}, {"bad.toml:1: model: expected a section"}},
  {"TextForInteger", "[model]\nwidth = \"wide\"", {}, {"bad.toml:2: model.width = \"wide\": expected an integer"}},
  {"FractionForInteger", "[model]\nlayers = 2.5", {}, {"bad.toml:2: model.layers = 2.5: expected an integer"}},
  {"IntegerForFlag", "[model]\ntied = 1", {}, {"bad.toml:2: model.tied = 1: expected true or false"}},
  {"IntegerForText", "[data]\ntrain = 5", {}, {"bad.toml:2: data.train = 5: expected text"}},
  {"FlagForNumber", "[optim]\nbeta1 = true", {}, {"bad.toml:2: optim.beta1 = true: expected a number"}},
  {"ArrayForInteger", "[model]\nlayers = [1, 2]", {}, {"bad.toml:2: model.layers", "array", "expected an integer"}},
  {"TableForInteger", "[model]\nlayers = { a = 1 }", {}, {"bad.toml:2: model.layers", "expected an integer"}},
  {"DateForInteger", "[model]\nlayers = 2022-01-01", {}, {"bad.toml:2: model.layers", "date"}},
  {"ZeroLayers", "[model]\nlayers = 0", {}, {"bad.toml:2: model.layers = 0", "at least 1"}},
  {"NegativeWidth", "[model]\nwidth = -64", {}, {"bad.toml:2: model.width = -64", "at least 1"}},
  {"VocabularyTooLarge", "[model]\nvocab = 65536", {}, {"bad.toml:2: model.vocab = 65536", "at most 65535"}},
  {"VocabularyOfOne", "[model]\nvocab = 1", {}, {"bad.toml:2: model.vocab = 1", "at least 2"}},
  {"BetaOne", "[optim]\nbeta2 = 1", {}, {"bad.toml:2: optim.beta2 = 1", "less than 1"}},
  {"RateZero", "[optim]\nlearning_rate = 0.0", {}, {"bad.toml:2: optim.learning_rate = 0.0", "greater than 0"}},
  {"RateNan", "[optim]\nlearning_rate = nan", {}, {"bad.toml:2: optim.learning_rate = nan", "greater than 0"}},
  {"RateInfinite", "[rule]\nname = \"dfa\"\nfeedback_scale = inf", {}, {"bad.toml:3: rule.feedback_scale = inf"}},
  {"ZeroTokens", "[optim]\ntokens = 0", {}, {"bad.toml:2: optim.tokens = 0", "at least 1"}},
  {"TokensOddUnit", "[optim]\ntokens = \"30X\"", {}, {"bad.toml:2: optim.tokens = \"30X\"", "30B"}},
  {"TokensTooMany", "[optim]\ntokens = \"30000000000T\"", {}, {"bad.toml:2: optim.tokens"}},
  {"WalltimeOddUnit", "[run]\nwalltime = \"2 weeks\"", {}, {"bad.toml:2: run.walltime = \"2 weeks\"", "2h30m"}},
  {"MemoryOddUnit", "[run]\nmemory = \"8 GX\"", {}, {"bad.toml:2: run.memory = \"8 GX\"", "8 GiB"}},
  {"MemoryWithoutUnit", "[run]\nmemory = \"8\"", {}, {"bad.toml:2: run.memory = \"8\"", "a unit"}},
  {"MemoryWithoutNumber", "[run]\nmemory = \"GiB\"", {}, {"bad.toml:2: run.memory = \"GiB\"", "8 GiB"}},
  {"MemoryNegative", "[run]\nmemory = -1", {}, {"bad.toml:2: run.memory = -1", "at least 0"}},
  {"MemoryFraction", "[run]\nmemory = 1.5", {}, {"bad.toml:2: run.memory = 1.5", "an integer"}},
  {"MemoryTooMuch", "[run]\nmemory = \"9000000000 TiB\"", {}, {"bad.toml:2: run.memory"}},
  {"MemoryFlag", "[run]\nmemory = true", {}, {"bad.toml:2: run.memory = true"}},
  {"OffloadWithoutMemory", "[run]\noffload = \"scratch\"", {}, {"bad.toml:2: run.offload = \"scratch\"", "run.memory"}},
  {"WarmupBeyondEnd", "[optim]\ntokens = 1000\nwarmup_tokens = 2000", {}, {"bad.toml:3: optim.warmup_tokens = 2000", "1000"}},
  {"WordUnknown", "[rule]\nname = \"bpp\"", {}, {"bad.toml:2: rule.name = \"bpp\": expected one of bp, dfa, dfa-canonical, shallow"}},
  {"WordMistyped", "[optim]\nschedule = \"cosin\"", {}, {"bad.toml:2: optim.schedule", "did you mean \"cosine\"?"}},
  {"HalfPrecision", "[optim]\nprecision = \"f16\"", {}, {"bad.toml:2: optim.precision = \"f16\"", "f32, bf16"}},
  {"PipelineOfNobody", "[parallel]\npp = 0", {}, {"bad.toml:2: parallel.pp = 0", "at least 1"}},
  {"UnknownSchedule", "[parallel]\nschedule = \"1f2b\"", {}, {"bad.toml:2: parallel.schedule = \"1f2b\"", "gpipe", "unlocked"}},
  {"VirtualStagesOf1f1b", "[parallel]\nvirtual_stages = 2", {}, {"bad.toml:2: parallel.virtual_stages = 2", "schedule 1f1b takes 1"}},
  {"OneVirtualStage", "[parallel]\nschedule = \"interleaved\"\nvirtual_stages = 1", {}, {"bad.toml:3: parallel.virtual_stages = 1", "2 or more"}},
  {"ZeroTwo", "[parallel]\nzero = 2", {}, {"bad.toml:2: parallel.zero = 2", "at most 1"}},
  {"WidthByHeads", "[model]\nwidth = 100\nheads = 3", {}, {"bad.toml:2: model.width = 100", "multiple of model.heads = 3"}},
  {"HeadsByWidth", "[model]\nheads = 3", {}, {"bad.toml:2: model.width = 256", "multiple of model.heads = 3"}},
  {"BatchByReplicas", "[parallel]\ndp = 3\n[optim]\nbatch_sequences = 8", {}, {"bad.toml:4: optim.batch_sequences = 8", "3 * 1"}},
  {"BatchByMicroBatches", "[parallel]\nmicro_batches = 5", {}, {"bad.toml:2: optim.batch_sequences = 16", "1 * 5"}},
  {"NoTrainingData", "[data]\ntrain = \"\"", {}, {"bad.toml:2: data.train = \"\"", "dfascale prepare"}},
  {"NameWithSlash", "[run]\nname = \"a/b\"", {}, {"bad.toml:2: run.name = \"a/b\"", "letters, digits"}},
  {"NameHidden", "[run]\nname = \"..\"", {}, {"bad.toml:2: run.name"}},
  {"NameEmpty", "[run]\nname = \"\"", {}, {"bad.toml:2: run.name = \"\""}},
  {"RestartMistyped", "[run]\nrestart = \"requird\"", {}, {"bad.toml:2: run.restart", "did you mean \"required\"?"}},
  {"MethodOfAnotherRule", "[rule]\nname = \"dfa\"\n[run]\nmethod = \"bp\"", {}, {"bad.toml:4: run.method = \"bp\"", "rule.name = \"dfa\""}},
  {"ErrorForBp", "[rule]\nerror = \"logits\"", {}, {"bad.toml:2: rule.error = \"logits\"", "no meaning for rule.name = \"bp\""}},
  {"FeedbackForShallow", "[rule]\nname = \"shallow\"\nfeedback = \"identity\"", {}, {"bad.toml:3: rule.feedback", "no meaning"}},
  {"MultiplierForBp", "[rule]\nblock_lr_multiplier = 2", {}, {"bad.toml:2: rule.block_lr_multiplier", "no meaning"}},
  {"ProjectorForDfa", "[rule]\nname = \"dfa\"\ntrain_projector = true", {}, {"bad.toml:3: rule.train_projector", "always trains the projector"}},
  {"BlockEmbeddingByLayer", "[rule]\nname = \"dfa-canonical\"\nembedding = \"block\"", {}, {"bad.toml:3: rule.embedding = \"block\"", "granularity = \"layer\""}},
  {"LayersWithPresetEmbedding", "[rule]\nname = \"dfa\"\ngranularity = \"layer\"", {}, {"bad.toml:3: ", "rule.embedding", "direct or none"}},
  {"IdentityAtLogits", "[rule]\nname = \"dfa\"\nerror = \"logits\"\nfeedback = \"identity\"", {}, {"bad.toml:4: rule.feedback = \"identity\"", "preprojector"}},
  {"OrthogonalByLayer", "[rule]\nname = \"dfa-canonical\"\nerror = \"preprojector\"\nfeedback = \"orthogonal\"", {}, {"bad.toml:4: rule.feedback = \"orthogonal\"", "granularity"}},
  {"SetWithoutValue", "", {"model.width"}, {"--set model.width: expected section.key=value"}},
  {"SetWithoutSection", "", {"width=3"}, {"--set width=3: expected section.key=value"}},
  {"SetUnknownSection", "", {"modle.width=3"}, {"--set modle.width: [modle]: unknown section", "model"}},
  {"SetUnknownKey", "", {"model.widht=3"}, {"--set model.widht: [model] widht: unknown key", "\"width\""}},
  {"SetWrongType", "", {"model.width=wide"}, {"--set model.width: model.width = \"wide\": expected an integer"}},
  {"SetNothing", "", {"model.width="}, {"--set model.width: model.width = \"\": expected an integer"}},
  {"SetOutOfRange", "", {"optim.floor=2"}, {"--set optim.floor: optim.floor = 2", "at most 1"}},
  {"SetTwoLines", "", {"model.width=3\nheads=4"}, {"--set model.width", "expected an integer"}},
  {"AllAtOnce", "[model]\nwidth = 0\nheads = 0\n[rule]\nnmae = 1", {"optim.eps=x"}, {"bad.toml:2: ", "\nbad.toml:3: ", "\nbad.toml:5: ", "\n--set optim.eps: "}},
};
// clang-format on

class DeckMistake : public testing::TestWithParam<Mistake> {};

TEST_P(DeckMistake, IsNamed) {
  const Mistake& mistake = GetParam();
  try {
    parse_deck(mistake.deck, "bad.toml", mistake.overrides);
    FAIL() << "was accepted:\n" << mistake.deck;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::usage);
    for (const std::string_view part : mistake.said) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "said: " << error.what() << "\nnot said: " << part;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, DeckMistake, testing::ValuesIn(mistakes),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(DeckFile, MissingFileAndFolderAreNamed) {
  EXPECT_THROW(read_deck("no/such.toml", {}), Error);
  try {
    read_deck(".", {});
    FAIL() << "a folder was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::usage);
    EXPECT_STREQ(error.what(), ".: is a folder; expected a deck (a TOML file)");
  }
}

}  // namespace
}  // namespace dfascale
