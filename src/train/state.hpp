// A learner's state as a checkpoint's arrays, and back: parameters of all tensors, moments of the
// trained ones.
#pragma once

#include <string>
#include <vector>

#include "io/checkpoint.hpp"
#include "train/learner.hpp"

namespace dfascale {

/// This rank's share of every array: rows are dealt out evenly over `ranks`, since replicas hold
/// the same. Points into the learner where device memory is host memory, else into staging copies
/// held here.
class StateSlices {
 public:
  StateSlices(const Learner& learner, int rank, int ranks);
  const std::vector<ArraySlice>& slices() const { return slices_; }

 private:
  void add(const Learner& learner, const std::string& path, const Parameter& p, Buffer kind,
           ConstVec buffer);

  int rank_, ranks_;
  std::vector<ArraySlice> slices_;
  std::vector<std::vector<float>> staging_;
};

/// Parameters from a checkpoint; with_moments also the optimiser's.  Error(Exit::checkpoint) naming
/// the array that is missing or has another shape.
enum class Moments { load, leave };
void load_state(const CheckpointFile& file, Learner& learner, Moments moments);

}  // namespace dfascale
