// One run of a study: a deck, and what it is predicted to cost.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "deck/settings.hpp"

namespace dfascale {

struct StudyRun {
  std::string size;                   ///< name of its [[size]]
  Settings settings;                  ///< run.name is unique in its folder
  double flops = 0;                   ///< exact, of the whole token budget; set by predict()
  double passes = 0;                  ///< FLOP of its validations
  std::optional<std::size_t> search;  ///< number of the search that settles some of its keys

  const std::string& name() const { return settings.run.name; }
  std::string folder() const { return settings.run.dir + "/" + settings.run.name; }
};

/// Fills in the vocabulary from the corpus and the run's FLOP.
void predict(StudyRun& run);

}  // namespace dfascale
