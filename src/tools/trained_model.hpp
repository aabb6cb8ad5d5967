// A model as a checkpoint holds it, ready to compute losses and next tokens.
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "comm/comm.hpp"
#include "deck/settings.hpp"
#include "io/checkpoint.hpp"
#include "train/learner.hpp"

namespace dfascale {

/// The folder itself, or the folder of checkpoints in it if it is a run folder.
std::string checkpoints_folder_at(const std::string& folder);

/// A checkpoint's file: `where` is the file, the link `latest`, a folder of checkpoints, or a run
/// folder, whose newest good checkpoint it then is.  Collective.  Throws Error(Exit::checkpoint).
std::string checkpoint_at(const std::string& where);

/// The file that a link leads to, or the path itself.
std::string file_behind(const std::string& path);
/// Whether `where` is a folder or a link: it then may name another checkpoint when asked again.
bool may_have_another(const std::string& where);
/// Collective.  Whether the first rank finds no such file.
bool has_gone(const std::string& file);

/// Collective.  Gives the file of a checkpoint, as checkpoint_at finds it, to `open`.  In the
/// folder of a run that goes on it may be gone before it is open; then the next one is looked for.
template <class Open>
auto open_checkpoint_at(const std::string& where, Open&& open) {
  constexpr int most_attempts = 100;
  for (int attempt = 1;; ++attempt) {
    const std::string file = checkpoint_at(where), real = file_behind(file);
    try {
      return open(file);
    } catch (const Error&) {
      if (attempt == most_attempts || !may_have_another(where) || !has_gone(real)) throw;
    }
  }
}

/// Whether this names a checkpoint or a run, not a deck: a folder, or a file of HDF5.
bool is_checkpoint(const std::string& where);

/// Parameters of a checkpoint in a model of the checkpoint's own deck.  Made by all ranks together;
/// every rank holds the whole model.
class TrainedModel {
 public:
  /// `sequences` at once; 0: as in a micro-batch of the training run.
  TrainedModel(const Device& device, const std::string& where, std::int64_t sequences);

  const std::string& file() const { return file_; }
  const CheckpointMeta& meta() const { return meta_; }
  const Settings& settings() const { return settings_; }
  GradientTaker& taker() { return learner_->taker(); }

 private:
  Device device_;
  Gemm gemm_{device_};
  std::string file_;
  CheckpointMeta meta_;
  Settings settings_;
  Arena arena_;
  std::unique_ptr<Learner> learner_;
};

}  // namespace dfascale
