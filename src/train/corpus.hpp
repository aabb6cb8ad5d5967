// The data of a run: training and validation streams, checked against the deck before anything is
// allocated.
#pragma once

#include "comm/comm.hpp"
#include "data/batches.hpp"
#include "deck/settings.hpp"

namespace dfascale {

struct Corpus {
  BatchSource train;
  ValidationSet valid;
  /// Of both streams: a restart on other data is refused.
  std::uint64_t fingerprint() const;
};

/// Fills in what the deck leaves to the data: model.vocab = 0 becomes the prepared folder's
/// vocabulary.
void resolve_vocabulary(Settings& settings);

/// Opens and checks: files, token ids below the vocabulary, enough tokens for the budget, enough
/// validation sequences.  Each rank looks at its share of the tokens.
Corpus open_corpus(const Settings& settings, const Comm& ranks);

}  // namespace dfascale
