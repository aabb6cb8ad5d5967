#include "train/corpus.hpp"

#include <filesystem>

#include "base/error.hpp"
#include "data/corpus_info.hpp"

namespace dfascale {
namespace {

/// data.train = DIR alone names both splits.
std::string validation_place(const DataSettings& data) {
  if (!data.valid.empty()) return data.valid;
  if (std::filesystem::is_directory(data.train)) return data.train;
  fail(Exit::usage,
       "data.valid is not set, and data.train = \"{}\" is no prepared folder that would hold both: "
       "set data.valid",
       data.train);
}

}  // namespace

std::uint64_t Corpus::fingerprint() const {
  constexpr std::uint64_t odd_multiplier = 0x9E3779B97F4A7C15ull;
  return train.stream().fingerprint() * odd_multiplier + valid.stream().fingerprint();
}

void resolve_vocabulary(Settings& settings) {
  if (settings.model.vocab > 0) return;
  const std::optional<CorpusInfo> info = read_corpus_info(settings.data.train);
  if (!info)
    fail(Exit::usage,
         "model.vocab is not set, and there is no {}/corpus.json to take it from: set model.vocab",
         settings.data.train);
  settings.model.vocab = info->vocab;
}

Corpus open_corpus(const Settings& s, const Comm& ranks) {
  if (!s.data.valid.empty()) check_same_tokenizer(s.data.train, s.data.valid);
  TokenStream train = TokenStream::open(s.data.train, Split::train, s.data.format);
  TokenStream valid = TokenStream::open(validation_place(s.data), Split::valid, s.data.format);
  const TokenStream::Share share{ranks.rank(), ranks.size()};
  train.check_vocabulary(s.model.vocab, share);
  valid.check_vocabulary(s.model.vocab, share);
  Corpus corpus{BatchSource(std::move(train), s.model.context, s.optim.batch_sequences, s.run.seed,
                            s.data.epochs),
                ValidationSet(std::move(valid), s.model.context, s.data.valid_sequences)};
  corpus.train.check_budget(s.optim.tokens);
  if (s.steps() < 1)
    fail(Exit::usage,
         "optim.tokens = {} is less than one step of {} tokens (batch_sequences {} x context {})",
         s.optim.tokens, s.step_tokens(), s.optim.batch_sequences, s.model.context);
  return corpus;
}

}  // namespace dfascale
