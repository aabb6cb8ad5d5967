// Studies: many runs from one TOML file, sizes x rules x every key that is given as a list, with
// the best values of searched keys.  docs/studies.md shows the file; here is what it means, without
// running anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deck/settings.hpp"
#include "study/search.hpp"
#include "study/study_run.hpp"

namespace dfascale {

struct Study {
  std::string name;
  std::string dir;           ///< runs, decks and logs are below it
  std::int64_t workers = 0;  ///< runs at a time; 0: one per core that this process may use
  std::vector<StudyRun> runs;
  std::vector<Search> searches;

  std::string runs_folder() const { return dir + "/runs"; }
};

/// Reads a study; `overrides` are "section.key=value" of decks or "study.key=value", and win over
/// the file for every run.  Throws Error(Exit::usage) that lists every mistake.
Study read_study(const std::string& file, const std::vector<std::string>& overrides);
/// The same from text; `file` is its name for messages.
Study parse_study(std::string_view toml, const std::string& file,
                  const std::vector<std::string>& overrides);

/// Fills in the vocabulary from the corpus and each run's exact FLOP.
void predict(Study& study);

}  // namespace dfascale
