#include "train/resume.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/read_file.hpp"
#include "deck/deck.hpp"
#include "train/checkpoint_contents.hpp"

namespace dfascale {
namespace {

/// Keys (or sections) that make another experiment: a restart with another value is refused.
constexpr std::array<std::string_view, 5> fixed = {"model.", "rule.", "data.epochs",
                                                   "optim.batch_sequences", "run.seed"};

bool is_fixed(const std::string& difference) {
  return std::any_of(fixed.begin(), fixed.end(), [&](std::string_view key) {
    return std::string_view(difference).starts_with(key);
  });
}

/// The checkpoint that a run wrote at a step, good or broken.
std::string checkpoint_of_step(const RunSettings& run, const CheckpointFolder& checkpoints) {
  const std::vector<std::int64_t> steps = checkpoints.agreed_steps();
  if (std::find(steps.begin(), steps.end(), run.restart_step) == steps.end())
    fail(Exit::checkpoint, "run.restart = \"{}\", but {}/{} has {}", run.restart_step, run.dir,
         run.name,
         steps.empty() ? "no checkpoints"
                       : fmt::format("checkpoints of the steps {} only", fmt::join(steps, ", ")));
  return checkpoints.path_of(run.restart_step);
}

bool covers_all(const CheckpointMeta& meta) {
  nlohmann::ordered_json more;
  if (!parse_json_or_say_why(meta.more, more).empty() || !more.is_object()) return false;
  return more.contains("data_fingerprint");
}

void check_same_tokens(const CheckpointMeta& meta, const std::string& file,
                       const DataSettings& then, const DataSettings& now, const Corpus& corpus) {
  const bool all = covers_all(meta);
  if (meta.data_fingerprint != (all ? corpus.fingerprint : corpus.sampled_fingerprint()))
    fail(Exit::checkpoint,
         "{} was trained on other data than data.train and data.valid name now: the tokens differ "
         "(then \"{}\" and \"{}\", now \"{}\" and \"{}\"); put the old ones back, or train "
         "under another run.name",
         file, then.train, then.valid, now.train, now.valid);
  if (!all)
    log::warn(
        "{}: an older version wrote it, which recorded a sample of the tokens only; that sample is "
        "the same, whether the other tokens have changed since cannot be checked",
        file);
}

}  // namespace

std::optional<std::string> find_checkpoint(const RunSettings& run,
                                           const CheckpointFolder& checkpoints) {
  switch (run.restart) {
    case Restart::never: return std::nullopt;
    case Restart::step: return checkpoint_of_step(run, checkpoints);
    case Restart::path: return run.restart_path;
    case Restart::automatic: return checkpoints.newest_good();
    case Restart::required: {
      std::optional<std::string> found = checkpoints.newest_good();
      if (!found)
        fail(Exit::checkpoint,
             "run.restart = \"required\", but {}/{} has no good checkpoint: nothing was changed",
             run.dir, run.name);
      return found;
    }
  }
  return std::nullopt;
}

void check_continues(const CheckpointMeta& meta, const std::string& file, const Settings& settings,
                     const Corpus& corpus, std::uint64_t feedback_checksum) {
  const Settings then = settings_of(meta, file);
  std::vector<std::string> refused, allowed;
  for (const std::string& difference : differences(then, settings))
    (is_fixed(difference) ? refused : allowed).push_back(difference);
  if (!refused.empty())
    fail(Exit::checkpoint,
         "{} is of another run: {}; use another run.name, or run.restart = \"never\"", file,
         fmt::join(refused, "; "));
  check_same_tokens(meta, file, then.data, settings.data, corpus);
  if (meta.feedback_checksum != feedback_checksum)
    fail(Exit::checkpoint, "{} was trained with another feedback matrix than run.seed draws now",
         file);
  if (meta.step > settings.steps())
    fail(Exit::checkpoint, "{} is at step {}, beyond the {} steps of optim.tokens = {}", file,
         meta.step, settings.steps(), settings.optim.tokens);
  for (const std::string& difference : allowed)
    log::say("changed since the checkpoint: {}", difference);
}

}  // namespace dfascale
