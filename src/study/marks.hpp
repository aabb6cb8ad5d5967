// Short marks in the names of runs, for values that tell the runs of a study apart.
#pragma once

#include <string>

#include "deck/keys.hpp"

namespace dfascale {

/// "-lr0.003" for optim.learning_rate = 0.003.
std::string mark(const Key& key, const Value& value);

}  // namespace dfascale
