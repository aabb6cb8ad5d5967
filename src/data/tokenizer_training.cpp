// Counting words, and handing them to SentencePiece's trainer as "word TAB count" lines.
#include "data/tokenizer_training.hpp"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <regex>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/utf8.hpp"
#include "data/character_set.hpp"
#include "data/words.hpp"

namespace dfascale {
namespace {

constexpr std::int64_t sample_bytes = std::int64_t{256} << 20;
// Bytes; longer ones are cut, since many languages use no spaces.
constexpr std::size_t longest_word = 256;
// The most frequent words bound the training time.  On 50 MB of novels 50,000 of 266,000 words
// train 2,048 tokens ten times faster, for 0.15 % more tokens in the text.
constexpr std::int64_t words_per_token = 24, fewest_words = 60'000, most_words = 1'000'000;
constexpr std::int64_t byte_and_mark_tokens = 256 + 2;  // marks: unknown, end of text

/// Words in an order that depends on nothing but the counts, the most frequent first.
std::vector<CountedWord> in_order(std::vector<CountedWord> words) {
  std::sort(words.begin(), words.end(), [](const CountedWord& a, const CountedWord& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  return words;
}

/// What the trainer is given.  Half of the tokens beyond the bytes, at most, go to characters.
std::vector<CountedWord> training_words(const WordCounts& counts, std::int64_t vocab) {
  std::vector<CountedWord> words = in_order({counts.counts().begin(), counts.counts().end()});
  const std::int64_t limit = std::clamp(words_per_token * vocab, fewest_words, most_words);
  words.resize(std::min(words.size(), static_cast<std::size_t>(limit)));
  const std::int64_t characters = std::max<std::int64_t>(1, (vocab - byte_and_mark_tokens) / 2);
  words = CharacterSet(words, characters).keep(words);
  words.emplace_back(" ", 1);  // there must be a token for the space
  return in_order(std::move(words));
}

class WordSentences final : public sentencepiece::SentenceIterator {
 public:
  explicit WordSentences(std::vector<CountedWord> words) : words_(std::move(words)) { show(); }
  bool done() const override { return at_ == words_.size(); }
  void Next() override {
    ++at_;
    show();
  }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  void show() {
    if (!done()) line_ = fmt::format("{}\t{}", words_[at_].first, words_[at_].second);
  }
  std::vector<CountedWord> words_;
  std::size_t at_ = 0;
  std::string line_;
};

std::unordered_map<std::string, std::string> trainer_options(std::int64_t vocab) {
  return {{"model_type", "bpe"},
          {"vocab_size", fmt::format("{}", vocab)},
          {"byte_fallback", "true"},
          {"normalization_rule_name", "identity"},
          {"add_dummy_prefix", "false"},
          {"remove_extra_whitespaces", "false"},
          {"allow_whitespace_only_pieces", "true"},
          {"character_coverage", "1.0"},
          {"input_format", "tsv"},
          {"input_sentence_size", "0"},
          {"unk_id", "0"},
          {"eos_id", "1"},
          {"bos_id", "-1"},
          {"pad_id", "-1"},
          {"eos_piece", std::string(document_separator)},
          {"num_threads", "1"},  // BPE uses no more, and the model file records it
          {"minloglevel", "2"}};
}

[[noreturn]] void explain(const std::string& reason, std::int64_t vocab) {
  std::smatch found;
  if (std::regex_search(reason, found, std::regex("value <= (\\d+)")))
    fail(Exit::data,
         "--vocab {}: the training text is too small for so many tokens: it can fill {}; give more "
         "text or --vocab {} or less",
         vocab, found[1].str(), found[1].str());
  fail(Exit::data, "SentencePiece cannot train a tokenizer of {} tokens: {}", vocab, reason);
}

/// A number in [0, 1) for a line, from its file's name and its place in it.
double lot(const RawChunk& place, std::int64_t line) {
  std::uint64_t hash = hash_word(place.file.substr(place.file.rfind('/') + 1));
  hash = (hash ^ static_cast<std::uint64_t>(place.offset)) * 0x9e3779b97f4a7c15ull;
  hash = (hash ^ (hash >> 29) ^ static_cast<std::uint64_t>(line)) * 0xbf58476d1ce4e5b9ull;
  hash = (hash ^ (hash >> 32)) * 0x94d049bb133111ebull;
  return static_cast<double>(hash >> 11) * 0x1p-53;
}

}  // namespace

std::size_t WordCounts::Hash::operator()(std::string_view word) const { return hash_word(word); }

void WordCounts::add(std::string_view text) {
  bytes_ += static_cast<std::int64_t>(text.size());
  for_each_word(text, [this](std::string_view word) {
    if (word[0] == '\n') return;
    while (word.size() > longest_word) {
      const std::size_t cut = whole_characters(word.substr(0, longest_word));
      count(word.substr(0, cut));
      word.remove_prefix(cut);
    }
    count(word);
  });
}

void WordCounts::count(std::string_view word) {
  const auto found = counts_.find(word);
  if (found != counts_.end()) ++found->second;
  else counts_.emplace(word, 1);
}

void WordCounts::add(const WordCounts& other) {
  bytes_ += other.bytes_;
  for (const auto& [word, count] : other.counts_) counts_[word] += count;
}

double sampled_share(std::int64_t text_bytes) {
  return text_bytes <= sample_bytes
             ? 1.0
             : static_cast<double>(sample_bytes) / static_cast<double>(text_bytes);
}

void count_sample(const RawChunk& place, const TextChunk& chunk, double share, WordCounts& counts) {
  if (share >= 1) return counts.add(chunk.text);
  std::int64_t line = 0;
  for_each_line(chunk.text, [&](std::string_view text) {
    if (lot(place, line++) < share) counts.add(text);
  });
}

TrainedModel train_tokenizer(const WordCounts& counts, std::int64_t vocab) {
  if (vocab <= byte_and_mark_tokens)
    fail(Exit::data,
         "--vocab {}: at least {} are needed for bytes, marks and the space; give a larger --vocab",
         vocab, byte_and_mark_tokens + 1);
  if (counts.words() == 0)
    fail(Exit::data, "the training text has no words to train a tokenizer on");
  const double start = seconds_now();
  WordSentences sentences(training_words(counts, vocab));
  TrainedModel model;
  const auto status =
      sentencepiece::SentencePieceTrainer::Train(trainer_options(vocab), &sentences, &model.bytes);
  if (!status.ok()) explain(status.ToString(), vocab);
  model.seconds = seconds_now() - start;
  return model;
}

}  // namespace dfascale
