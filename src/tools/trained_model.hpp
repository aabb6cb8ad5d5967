// A model as a checkpoint holds it, ready to compute losses and next tokens.
#pragma once

#include <memory>
#include <string>

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
