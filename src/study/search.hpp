// A search for the best values of some keys: runs over a grid, for a share of the token budget.  A
// grid whose best value lies at its edge is widened.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "deck/keys.hpp"
#include "study/study_run.hpp"

namespace dfascale {

struct SearchAxis {
  const Key* key;
  std::vector<Value> values;  ///< numbers ascend
};
/// A value for each axis.
using Place = std::vector<Value>;

struct Search {
  std::string name;  ///< as its runs' names begin
  StudyRun base;     ///< a run of the search but for the axes' values and its name
  std::vector<SearchAxis> axes;
};

/// Times that one axis may grow.
constexpr int most_widenings = 4;

/// "learning_rate = 0.003, init_std = 0.1"
std::string describe(const Search& search, const Place& place);
/// Sets the axes' keys.
void put(Settings& settings, const Search& search, const Place& place);

/// How a candidate ended: its validation loss, infinite if it diverged; nothing while it has not.
using Look = std::function<std::optional<double>(const StudyRun& candidate)>;

/// How far a search is, as follows from the endings so far and from nothing else.
struct Exploration {
  std::vector<StudyRun> candidates;  ///< all that are wanted so far
  std::optional<Place> best;         ///< known when the search is over
  double loss = 0;                   ///< of the best
  bool is_hopeless = false;          ///< over, and every candidate diverged
};
Exploration explore(const Search& search, const Look& look);

}  // namespace dfascale
