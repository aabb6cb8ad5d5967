// CheckpointMeta as it lies in a file: attributes of /meta, one a member, and the deck as a text.
// A reader ignores attributes it does not know, so later versions may add some.
#pragma once

#include <map>
#include <string>

#include "io/checkpoint.hpp"

namespace dfascale {

void write_meta(Hdf5File& file, const CheckpointMeta& meta);
CheckpointMeta read_meta(const Hdf5File& file);

/// The same by name, as texts from which meta_from() makes exactly what was given.
std::map<std::string, std::string> texts_of(const CheckpointMeta& meta);
/// Error(Exit::checkpoint) that begins with `where` if a member is missing or is no number.
CheckpointMeta meta_from(const std::map<std::string, std::string>& texts, const std::string& where);

}  // namespace dfascale
