// CheckpointMeta as it lies in a file: attributes of /meta, one a member, and the deck as a text.
// A reader ignores attributes it does not know, so later versions may add some.
#pragma once

#include "io/checkpoint.hpp"

namespace dfascale {

void write_meta(Hdf5File& file, const CheckpointMeta& meta);
CheckpointMeta read_meta(const Hdf5File& file);

}  // namespace dfascale
