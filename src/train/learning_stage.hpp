// A stage that learns: beside taking gradients, their sums over replicas, norms over stages, and
// updates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/grid.hpp"
#include "train/gradient_sums.hpp"
#include "train/shared_matrix.hpp"
#include "train/taker_stage.hpp"

namespace dfascale {

class LearningStage final : public TakerStage {
 public:
  /// Lays out, beside the learner, what the exchange of a shared matrix needs.
  LearningStage(Arena& arena, const Grid& grid, const GridArrays& arrays, Learner& learner,
                const ParallelSettings& parallel, StepContext& context);

  void begin_step() override;
  void reduce() override { sums_.start_rest(); }
  void send_tied(int to_rank) override;
  void receive_tied(int from_rank) override;
  void share_norms() override;
  void finish_sums() override;
  void update() override;

  /// Waits until a sent shared matrix has been received.
  void finish();
  /// Square of the stage's gradient norm, of the last step; copies left out.
  double gradient_square() const { return square_; }

 private:
  void complete(std::int64_t block) override { sums_.complete(block); }
  SharedMatrix::What stuck(const char* what) const;
  const GradientNorms& norms();

  const Grid& grid_;
  const ArrayComm& replicas_;
  Learner& learner_;
  GradientSums sums_;
  SharedMatrix shared_;
  bool is_sharded_;
  std::vector<double> final_norm_;  ///< squares, where another stage holds final LN
  std::optional<GradientNorms> norms_;
  bool norms_are_shared_ = false;  ///< clip = global, and this step's have met
  double square_ = 0;
};

}  // namespace dfascale
