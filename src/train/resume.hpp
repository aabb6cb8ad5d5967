// Whether and from where a run goes on: `run.restart`, and what a checkpoint must agree with.
#pragma once

#include <optional>
#include <string>

#include "deck/settings.hpp"
#include "io/checkpoint.hpp"
#include "train/corpus.hpp"

namespace dfascale {

/// auto: the newest good checkpoint, if any; required: an error if there is none; never: none; a
/// step: the run's checkpoint of that step; a path: that file; either must be there and good.
/// Collective.
std::optional<std::string> find_checkpoint(const RunSettings& run,
                                           const CheckpointFolder& checkpoints);

/// Refuses (Error(Exit::checkpoint), the differences shown) a checkpoint of another model, rule,
/// batch, seed or data.  What may change (learning rate, budget, layout, ...) is said in the log.
void check_continues(const CheckpointMeta& meta, const std::string& file, const Settings& settings,
                     const Corpus& corpus, std::uint64_t feedback_checksum);

/// What a checkpoint's meta.more says of its data_fingerprint: older versions took a sample.
constexpr const char* fingerprint_covers_all = R"({"data_fingerprint": "every token"})";

}  // namespace dfascale
