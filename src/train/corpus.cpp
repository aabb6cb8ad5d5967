#include "train/corpus.hpp"

#include <filesystem>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/xxhash64.hpp"
#include "data/corpus_info.hpp"
#include "train/repeats.hpp"

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

std::uint64_t combined(std::uint64_t train, std::uint64_t valid) {
  constexpr std::uint64_t odd_multiplier = 0x9E3779B97F4A7C15ull;
  return train * odd_multiplier + valid;
}

std::string known_tokens_path(const RunSettings& run) {
  return run.dir + "/" + run.name + "/tokens.json";
}

/// Added up without a carry out of 64 bits, which signed sums do not allow.
std::uint64_t sum_of_words(const Comm& ranks, std::uint64_t word) {
  const auto low =
      static_cast<std::uint64_t>(ranks.sum(static_cast<std::int64_t>(word & 0xffffffffu)));
  const auto high = static_cast<std::uint64_t>(ranks.sum(static_cast<std::int64_t>(word >> 32)));
  return low + (high << 32);
}

/// Sizes and times of all files, which do not depend on the node that looks.
std::uint64_t seen_from_here(const TokenStream& train, const TokenStream& valid) {
  std::vector<std::int64_t> seen;
  for (const TokenStream* stream : {&train, &valid})
    for (const TokenFile& file : stream->shards())
      seen.insert(seen.end(), {file.identity().bytes, file.identity().modified});
  return xxhash64(seen.data(), seen.size() * sizeof seen[0], 0);
}

/// The fingerprint that an earlier start of this run has kept, if every rank sees the same files.
std::optional<std::uint64_t> known_fingerprint(const Settings& s, const Comm& ranks,
                                               const TokenStream& train, const TokenStream& valid) {
  struct {
    std::uint64_t known = 0, fingerprint = 0, seen = 0;
  } first;
  if (ranks.rank() == 0) {
    const std::optional<KnownTokens> known = read_known_tokens(known_tokens_path(s.run));
    first.known = known && is_known(known->train, train, s.model.vocab) &&
                  is_known(known->valid, valid, s.model.vocab);
    first.seen = seen_from_here(train, valid);
    if (known) first.fingerprint = combined(known->train.fingerprint, known->valid.fingerprint);
  }
  ranks.broadcast(&first, sizeof first);
  const bool same = first.seen == seen_from_here(train, valid);
  if (ranks.min(std::int64_t{first.known != 0 && same}) == 0) return std::nullopt;
  return first.fingerprint;
}

/// Each rank reads its share of the tokens.
KnownSplit read_all(TokenStream& stream, std::int64_t vocab, const Comm& ranks) {
  const TokenStream::Scan share = stream.check_vocabulary(vocab, {ranks.rank(), ranks.size()});
  return {stream.fingerprint(sum_of_words(ranks, share.hash)), ranks.max(share.largest),
          identities(stream)};
}

struct Checked {
  std::uint64_t fingerprint;
  std::optional<KnownTokens> to_keep;
};

Checked check_tokens(const Settings& s, const Comm& ranks, TokenStream& train, TokenStream& valid) {
  train.set_vocabulary(s.model.vocab);
  valid.set_vocabulary(s.model.vocab);
  if (const auto known = known_fingerprint(s, ranks, train, valid)) return {*known, std::nullopt};
  const std::int64_t begun = nanoseconds_since_1970();
  const KnownTokens read{read_all(train, s.model.vocab, ranks),
                         read_all(valid, s.model.vocab, ranks)};
  Checked checked{combined(read.train.fingerprint, read.valid.fingerprint), std::nullopt};
  if (changes_would_show(train, begun) && changes_would_show(valid, begun)) checked.to_keep = read;
  return checked;
}

}  // namespace

std::uint64_t Corpus::sampled_fingerprint() const {
  return combined(train.stream().sampled_fingerprint(), valid.stream().sampled_fingerprint());
}

void keep_known_tokens(const Corpus& corpus, const RunSettings& run) {
  if (!corpus.to_keep) return;
  try {
    write_known_tokens(known_tokens_path(run), *corpus.to_keep);
  } catch (const Error& error) {
    log::warn("{}; the next start will read every token again", error.what());
  }
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
  Checked checked = check_tokens(s, ranks, train, valid);
  if (ranks.rank() == 0) warn_of_repeats(s.data, train, valid);
  Corpus corpus{BatchSource(std::move(train), s.model.context, s.optim.batch_sequences, s.run.seed,
                            s.data.epochs),
                ValidationSet(std::move(valid), s.model.context, s.data.valid_sequences),
                checked.fingerprint, std::move(checked.to_keep)};
  corpus.train.check_budget(s.optim.tokens);
  if (s.steps() < 1)
    fail(Exit::usage,
         "optim.tokens = {} is less than one step of {} tokens (batch_sequences {} x context {})",
         s.optim.tokens, s.step_tokens(), s.optim.batch_sequences, s.model.context);
  return corpus;
}

}  // namespace dfascale
