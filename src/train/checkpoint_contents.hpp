// What a checkpoint must say and hold according to the deck in it.
#pragma once

#include <cstdint>
#include <string>

#include "deck/settings.hpp"
#include "io/checkpoint.hpp"

namespace dfascale {

/// What a run's deck in a checkpoint `file` says.  Throws Error(Exit::checkpoint) if it is no deck,
/// or leaves open what every run fills in.
Settings settings_of(const CheckpointMeta& meta, const std::string& file);

/// The arrays of a checkpoint with these meta data: parameters of all tensors, moments of the
/// trained ones.  Throws Error(Exit::checkpoint) if step, tokens, next sample, seed or N are not
/// those of the deck, or if its model needs more room than `file_bytes` bytes can hold, however
/// compressed.
Shapes contents_of(const CheckpointMeta& meta, const std::string& file, std::int64_t file_bytes);

}  // namespace dfascale
