// Studies: many runs from one TOML file, sizes x rules x every key that is given as a list.
// docs/studies.md shows the file; here is what it means, without running anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "deck/settings.hpp"

namespace dfascale {

/// One run of a study: a deck, and what it is predicted to cost.
struct StudyRun {
  std::string size;   ///< name of its [[size]]
  Settings settings;  ///< run.name is unique in the study
  double flops = 0;   ///< exact, of the whole token budget; set by predict()

  const std::string& name() const { return settings.run.name; }
};

struct Study {
  std::string name;
  std::string dir;           ///< runs, decks and logs are below it
  std::int64_t workers = 0;  ///< runs at a time; 0: one per core that this process may use
  std::vector<StudyRun> runs;

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
