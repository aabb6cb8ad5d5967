// The data of a run: training and validation streams, checked against the deck before anything is
// allocated.
#pragma once

#include <optional>
#include <string>

#include "comm/comm.hpp"
#include "data/batches.hpp"
#include "deck/settings.hpp"
#include "train/known_tokens.hpp"

namespace dfascale {

struct Corpus {
  BatchSource train;
  ValidationSet valid;
  /// Of every token of both streams, the same on all ranks: a restart on other data is refused.
  std::uint64_t fingerprint;
  /// The same of a sample of the tokens, as checkpoints of older versions have it.
  std::uint64_t sampled_fingerprint() const;
  /// What the next start need not read again; none if it was known before or files are too new.
  std::optional<KnownTokens> to_keep;
};

/// Writes what the next start need not read again into the run's folder, which must be there; a
/// failure is a warning.
void keep_known_tokens(const Corpus& corpus, const RunSettings& run);

/// Fills in what the deck leaves to the data: model.vocab = 0 becomes the prepared folder's
/// vocabulary.
void resolve_vocabulary(Settings& settings);

/// Opens and checks: files, token ids below the vocabulary, enough tokens for the budget, enough
/// validation sequences.  Each rank reads its share of the tokens, unless the run has read the same
/// files before.  Collective.
Corpus open_corpus(const Settings& settings, const Comm& ranks);

}  // namespace dfascale
