// CheckpointMeta as it lies in a file: attributes of /meta, one a member, and the deck as a text.
// A reader ignores attributes it does not know, so later versions may add some.
#pragma once

#include <map>
#include <string>

#include "io/checkpoint.hpp"

namespace dfascale {

void write_meta(Hdf5File& file, const CheckpointMeta& meta);
/// Reads and checks them.
CheckpointMeta read_meta(const Hdf5File& file);

/// Checks every member by itself: counts from 0, times and FLOP finite, texts short and plain,
/// `more` JSON.  Throws Error(Exit::checkpoint) that begins with `where`.  What must agree with the
/// deck is checked where decks are known (train/checkpoint_contents.hpp).
void check_meta(const CheckpointMeta& meta, const std::string& where);

/// The same by name, as texts from which meta_from() makes exactly what was given.
std::map<std::string, std::string> texts_of(const CheckpointMeta& meta);
/// Reads and checks them: Error(Exit::checkpoint) that begins with `where` if a member is missing,
/// is no number or is refused by check_meta().
CheckpointMeta meta_from(const std::map<std::string, std::string>& texts, const std::string& where);

}  // namespace dfascale
