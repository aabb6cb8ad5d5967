// The state of a model as a checkpoint's arrays, and back: parameters of all tensors, moments of
// the trained ones.
#pragma once

#include <string>
#include <vector>

#include "io/checkpoint.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale {

/// This rank's share of every array: rows of the tensors that its stages hold, dealt out evenly
/// over replicas where they hold the same, and the shard's rows of sharded moments.  Points into
/// the learners where device memory is host memory, else into staging copies held here.
class StateSlices {
 public:
  explicit StateSlices(const ParallelLearner& model);
  const std::vector<ArraySlice>& slices() const { return slices_; }

 private:
  struct Source;
  void add(const std::string& path, const Parameter& p, const Source& source);

  std::vector<ArraySlice> slices_;
  std::vector<std::vector<float>> staging_;
};

enum class Moments { load, leave };
/// Parameters of a stage from a checkpoint; with moments also the optimiser's.
/// Error(Exit::checkpoint) naming the array that is missing or has another shape.
void load_state(const CheckpointFile& file, Learner& learner, Moments moments);

}  // namespace dfascale
