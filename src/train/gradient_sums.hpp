// Gradients summed over the replicas of a stage: in buckets, each as soon as its last gradient is
// complete, while the backward pass goes on (SPEC section 6).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/arrays.hpp"
#include "credit/rule.hpp"
#include "model/parameters.hpp"

namespace dfascale {

class GradientSums {
 public:
  /// Buckets of the stage's trained buffers of at most `bucket_bytes`.  Where `cuts` has more than
  /// one part (ZeRO), only the owner of a part gets its sum, but for tensors that are summed
  /// everywhere.
  GradientSums(const ArrayComm& replicas, const ParameterTable& table, const Rule& rule,
               const StageRange& range, std::int64_t bucket_bytes,
               const std::vector<std::int64_t>& cuts);

  /// A new step: nothing is complete.  Without gradients nothing is summed.
  void begin(Vec gradients);
  /// The gradients of a block are complete: -1 the embeddings, L the head.  Starts what is ready.
  void complete(std::int64_t block);
  /// Whatever has not been started.
  void start_rest();
  /// Of everything, or of the first floats of the buffers only.
  void wait(const std::function<std::string()>& what) { wait_for(size_, what); }
  void wait_for(std::int64_t floats, const std::function<std::string()>& what);

 private:
  struct Bucket {
    std::int64_t first, end;
    /// Whose part of the bucket ends where, from its beginning; empty: every replica gets the sum.
    std::vector<std::int64_t> cuts;
    std::vector<std::int64_t> blocks;  ///< whose gradients are in it
    std::size_t open = 0;              ///< how many of them are not complete
    bool is_started = false;
    Request request = {};
  };
  void start(Bucket& bucket);
  void lay_out(const ParameterTable& table, std::int64_t bucket_floats,
               const std::vector<std::int64_t>& cuts);
  std::vector<std::int64_t> blocks_in(const ParameterTable& table, const Bucket& bucket) const;
  std::int64_t block_of(const Parameter& p) const;

  const ArrayComm& replicas_;
  Rule rule_;
  StageRange range_;
  std::int64_t layers_, size_;
  std::vector<Bucket> buckets_;
  Vec gradients_;
};

}  // namespace dfascale
