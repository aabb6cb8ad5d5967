// What a study says about decks while it is being read: for every key the values to try.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "deck/reading.hpp"
#include "deck/toml.hpp"

namespace dfascale {

/// What becomes of a key's values.
enum class Use {
  each,  ///< a run for each of them
  best,  ///< they are searched, and the runs take the best
};

struct Choice {
  std::vector<Given> values;
  Use use = Use::each;
};

/// A key's values; more than one makes an axis of the study's grid, or of a search.
using Choices = std::map<const Key*, Choice>;

/// A [[size]] or [[rule]]: its keys, and for rules what differs at single sizes.
struct Part {
  std::string name, place;
  Choices choices;
  std::map<std::string, Choices> at;  ///< by name of the size
};

/// The file's parts.  Later ones win: base, size, rule, rule at this size, --set.
struct StudyText {
  std::string name, dir;
  std::int64_t workers = 0;
  double search_share = 0.25;  ///< of a run's tokens, for the runs of a search
  Choices base, overrides;
  std::vector<Part> sizes, rules;
};

/// Problems go into `reading`, whose `deck` is the study's file name.
StudyText take_study(Reading& reading, std::string_view toml,
                     const std::vector<std::string>& overrides);

}  // namespace dfascale
