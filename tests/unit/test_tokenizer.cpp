// The tokenizer gives any text back, and its cache gives the library's tokens.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include "data/tokenizer.hpp"
#include "data/tokenizer_training.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"
#include "tests/support/texts.hpp"

namespace dfascale {
namespace {

using test::expect_error;
using Options = std::unordered_map<std::string, std::string>;

std::string trained_bytes(const std::string& text, std::int64_t vocab) {
  WordCounts counts;
  counts.add(text);
  return train_tokenizer(counts, vocab).bytes;
}

const std::string& model_bytes() {
  static const std::string bytes = trained_bytes(test::made_up_text(1, 20000), 600);
  return bytes;
}

class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(std::vector<std::string> lines) : lines_(std::move(lines)) {}
  bool done() const override { return at_ == lines_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return lines_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> lines_;
  std::size_t at_ = 0;
};

/// A model made by the library itself with other options than ours.
std::string foreign_model(const Options& changes) {
  Options options = {{"model_type", "bpe"},
                     {"vocab_size", "400"},
                     {"byte_fallback", "true"},
                     {"minloglevel", "2"},
                     {"hard_vocab_limit", "false"}};
  for (const auto& [key, value] : changes) options[key] = value;
  std::vector<std::string> lines;
  const std::string text = test::made_up_text(2, 3000);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end > at) lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  Lines sentences(lines);
  std::string bytes;
  const auto status = sentencepiece::SentencePieceTrainer::Train(options, &sentences, &bytes);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return bytes;
}

void expect_round_trips(const Tokenizer& tokenizer) {
  for (const std::string& text : test::nasty_texts())
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const std::string text = test::random_text(random, random() % 200);
    const std::vector<std::int32_t> tokens = tokenizer.encode(text);
    ASSERT_EQ(tokenizer.decode(tokens), text);
    for (const std::int32_t token : tokens) ASSERT_NE(token, tokenizer.end_of_text());
  }
}

/// U+2581 is left out: the library cannot tell it from a space.
std::string without_marks(const std::string& text) {
  const std::string mark = "\xe2\x96\x81";
  std::string out;
  for (std::size_t at = 0, end = 0; end != std::string::npos; at = end + mark.size()) {
    end = text.find(mark, at);
    out += text.substr(at, end == std::string::npos ? end : end - at);
  }
  return out;
}

void expect_ids_of_library(const std::string& bytes, const std::string& text) {
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(bytes).ok());
  const Tokenizer tokenizer = Tokenizer::from_bytes(bytes, "model");
  ASSERT_EQ(tokenizer.encode(text), library.EncodeAsIds(text)) << text;
}

TEST(Tokenizer, GivesAnyTextBack) {
  expect_round_trips(Tokenizer::from_bytes(model_bytes(), "model"));
}

TEST(Tokenizer, CacheGivesTheTokensOfTheLibrary) {
  std::mt19937 random(11);
  std::string all;
  for (const std::string& text : test::nasty_texts()) {
    expect_ids_of_library(model_bytes(), without_marks(text));
    all += without_marks(text);
  }
  for (int i = 0; i < 200; ++i) all += without_marks(test::random_text(random, random() % 100));
  all += test::made_up_text(1, 3000) + test::made_up_text(3, 3000);
  expect_ids_of_library(model_bytes(), all);
}

TEST(Tokenizer, CacheStartsAfreshWhenFull) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(model_bytes(), "model");
  std::string text;
  for (int i = 0; i < 540000; ++i)
    text += fmt::format(" {}", i);  // more words than the cache holds
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(Tokenizer, KnowsItsVocabularyAndEndOfText) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(model_bytes(), "model");
  EXPECT_EQ(tokenizer.vocab(), 600);
  EXPECT_EQ(tokenizer.end_of_text(), 1);
  EXPECT_EQ(tokenizer.model_bytes(), model_bytes());
  EXPECT_TRUE(tokenizer.switched_off().empty());
  auto tokens = tokenizer.encode("one");
  tokens.push_back(1);
  const auto two = tokenizer.encode("two\n");
  tokens.insert(tokens.end(), two.begin(), two.end());
  tokens.push_back(1);
  EXPECT_EQ(tokenizer.decode(tokens), "one\n<|endoftext|>\ntwo\n<|endoftext|>\n");
  expect_error(Exit::data, {"token 600", "vocabulary of 600"}, [&] { tokenizer.decode({600}); });
  expect_error(Exit::data, {"token -1"}, [&] { tokenizer.decode({-1}); });
}

TEST(Tokenizer, TrainingDoesNotDependOnTheOrderOfCounting) {
  const std::string a = test::made_up_text(1, 5000), b = test::made_up_text(2, 5000);
  WordCounts one, two, other;
  one.add(a);
  one.add(b);
  two.add(b);
  other.add(a);
  two.add(other);
  EXPECT_EQ(train_tokenizer(one, 500).bytes, train_tokenizer(two, 500).bytes);
}

TEST(Tokenizer, TextWithoutSpacesOrLetters) {
  // 258 tokens for bytes and marks, one for the space: all else is spelled in bytes.
  for (const char* text : {"abcabcabcabc", "\xe2\x96\x81 \xe2\x96\x81z", "\n\n\tz", " "}) {
    SCOPED_TRACE(text);
    expect_round_trips(Tokenizer::from_bytes(trained_bytes(text, 259), "model"));
  }
}

// Characters of three bytes, in words of two, without a space or an end of line.
TEST(Tokenizer, LanguagesWithoutSpacesAreLearnt) {
  constexpr std::size_t characters = 20'000;
  std::string text;
  for (std::size_t i = 0; i < characters / 2; ++i) {
    const char word = static_cast<char>(i * i % 31);
    text += {'\xe4', '\xb8', static_cast<char>('\x80' + word)};
    text += {'\xe4', '\xb9', static_cast<char>('\x80' + word)};
  }
  const Tokenizer tokenizer = Tokenizer::from_bytes(trained_bytes(text, 400), "model");
  expect_round_trips(tokenizer);
  EXPECT_LT(tokenizer.encode(text).size(), characters * 3 / 4);
}

TEST(Tokenizer, SampleIsAShareOfTheLines) {
  RawChunk place;
  place.file = "a.txt";
  TextChunk chunk;
  for (int i = 0; i < 10000; ++i) chunk.text += std::to_string(i) + "\n";
  WordCounts all, half, again;
  count_sample(place, chunk, 1.0, all);
  count_sample(place, chunk, 0.5, half);
  count_sample(place, chunk, 0.5, again);
  EXPECT_EQ(all.words(), 10000);
  EXPECT_NEAR(static_cast<double>(half.words()), 5000, 250);  // 5 standard deviations
  EXPECT_EQ(half.words(), again.words());
  place.offset = 12345;
  WordCounts elsewhere;
  count_sample(place, chunk, 0.5, elsewhere);
  EXPECT_NE(half.counts(), elsewhere.counts());
  EXPECT_EQ(sampled_share(1000), 1.0);
  EXPECT_NEAR(sampled_share(std::int64_t{1} << 40), 256.0 / (1 << 20), 1e-12);
}

TEST(Tokenizer, VocabularyMustFitTheText) {
  WordCounts counts;
  counts.add("a few words are not enough");
  expect_error(Exit::data, {"--vocab 5000", "too small for so many tokens"},
               [&] { train_tokenizer(counts, 5000); });
  expect_error(Exit::data, {"--vocab 258", "259"}, [&] { train_tokenizer(counts, 258); });
  expect_error(Exit::data, {"no words"}, [&] { train_tokenizer(WordCounts(), 1000); });
}

TEST(Tokenizer, NormalisingModelsAreMadeLossless) {
  for (const Options& options : {Options{}, Options{{"normalization_rule_name", "nfkc_cf"}},
                                 Options{{"normalization_rule_name", "identity"}}}) {
    const Tokenizer tokenizer = Tokenizer::from_bytes(foreign_model(options), "model");
    EXPECT_FALSE(tokenizer.switched_off().empty());
    expect_round_trips(tokenizer);
    expect_round_trips(Tokenizer::from_bytes(tokenizer.model_bytes(), "again"));
    EXPECT_TRUE(Tokenizer::from_bytes(tokenizer.model_bytes(), "again").switched_off().empty());
  }
}

/// Text in which pieces with newlines and spaces have something to match.
std::string code_like_text() {
  std::mt19937 random(5);
  const char* parts[] = {"\n\n",    "\n",           "\n    ", "):\n",    "return x",
                         " of the", "end\n\nbegin", "  ",     "foo bar", "; "};
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    text += parts[random() % std::size(parts)];
    for (unsigned n = random() % 5; n > 0; --n) text += static_cast<char>('a' + random() % 26);
  }
  return text;
}

TEST(Tokenizer, PiecesAcrossWordsAndLinesAreThoseOfTheLibrary) {
  const Options cases[] = {
      {{"split_by_whitespace", "false"}},
      {{"user_defined_symbols", "\n\n"}},
      {{"user_defined_symbols", "\n\n,):\n,\n    "}},
      {{"user_defined_symbols", "of the,foo bar"}},
      {{"user_defined_symbols", "\nb,e\n"}},
      {{"user_defined_symbols", "d\n\nbegin"}, {"model_type", "unigram"}},
      {{"treat_whitespace_as_suffix", "true"}},
  };
  const std::string text = code_like_text() + test::made_up_text(2, 500);
  for (const Options& options : cases) {
    const Tokenizer tokenizer = Tokenizer::from_bytes(foreign_model(options), "model");
    SCOPED_TRACE(options.begin()->second);
    expect_ids_of_library(tokenizer.model_bytes(), text);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    EXPECT_TRUE(tokenizer.joined().joins_words());
  }
  EXPECT_FALSE(Tokenizer::from_bytes(model_bytes(), "model").joined().joins_words());
}

TEST(Tokenizer, ChunksOfALargeTextGiveTheTokensOfTheWhole) {
  const test::TemporaryFolder folder;
  std::string text;
  while (text.size() < 1'300'000) text += code_like_text();
  test::write_file(folder / "a.txt", text);
  for (const char* symbols : {"\n\n", "\n\n,\n    ,):\n,end\n\nb,of the", " of, x\n"}) {
    const Tokenizer tokenizer =
        Tokenizer::from_bytes(foreign_model({{"user_defined_symbols", symbols}}), "model");
    sentencepiece::SentencePieceProcessor library;
    ASSERT_TRUE(library.LoadFromSerializedProto(tokenizer.model_bytes()).ok());
    ChunkReader reader({folder / "a.txt"}, &tokenizer.joined());
    Encoder encoder(tokenizer);
    std::vector<std::uint16_t> tokens;
    std::int64_t chunks = 0;
    for (; const auto chunk = reader.next(); ++chunks)
      encoder.encode(documents_in(*chunk).text, tokens);
    EXPECT_GT(chunks, 1);
    const std::vector<int> expected = library.EncodeAsIds(text);
    ASSERT_TRUE(std::equal(tokens.begin(), tokens.end(), expected.begin(), expected.end()));
  }
}

TEST(Tokenizer, KnowsTheBytesOfEachToken) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(model_bytes(), "model");
  const std::vector<std::int64_t> bytes = tokenizer.bytes_of_tokens();
  ASSERT_EQ(bytes.size(), 600u);
  EXPECT_EQ(bytes[static_cast<std::size_t>(tokenizer.end_of_text())], 0);
  for (const std::string& text : {code_like_text(), std::string("\xe2\x96\x81 \xc2\xbd\0", 7)}) {
    std::int64_t sum = 0;
    for (const std::int32_t token : tokenizer.encode(text))
      sum += bytes[static_cast<std::size_t>(token)];
    EXPECT_EQ(sum, static_cast<std::int64_t>(text.size()));
  }
}

TEST(Tokenizer, UnigramModelsWork) {
  const Tokenizer tokenizer =
      Tokenizer::from_bytes(foreign_model({{"model_type", "unigram"}}), "model");
  expect_round_trips(tokenizer);
  expect_ids_of_library(tokenizer.model_bytes(), test::made_up_text(2, 500));
}

TEST(Tokenizer, UnusableModelsSayWhatToDo) {
  const test::TemporaryFolder folder;
  expect_error(Exit::data, {"nowhere.model", "No such file"},
               [&] { Tokenizer(folder / "nowhere.model"); });
  const std::string text = test::write_file(folder / "text.model", "just text, not a model");
  expect_error(Exit::data, {"text.model", "not a SentencePiece model"}, [&] { Tokenizer{text}; });
  const std::string empty = test::write_file(folder / "empty.model", "");
  expect_error(Exit::data, {"empty.model", "not a SentencePiece model"}, [&] { Tokenizer{empty}; });
  expect_error(Exit::data, {"no token for byte", "byte_fallback"}, [] {
    Tokenizer::from_bytes(
        foreign_model({{"byte_fallback", "false"}, {"normalization_rule_name", "identity"}}),
        "model");
  });
  expect_error(Exit::data, {"end-of-sentence"}, [] {
    Tokenizer::from_bytes(foreign_model({{"eos_id", "-1"}}), "model");
  });
}

}  // namespace
}  // namespace dfascale
