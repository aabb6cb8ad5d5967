#include "train/learning_stage.hpp"

#include <cmath>

namespace dfascale {
namespace {

std::int64_t bucket_bytes(const ParallelSettings& parallel) {
  constexpr double mebibyte = 1048576;
  return static_cast<std::int64_t>(parallel.bucket_mib * mebibyte);
}

}  // namespace

LearningStage::LearningStage(Arena& arena, const Grid& grid, const GridArrays& arrays,
                             Learner& learner, const ParallelSettings& parallel,
                             StepContext& context)
    : TakerStage(learner.device(), learner.taker(), context),
      grid_(grid),
      replicas_(arrays.replicas),
      learner_(learner),
      sums_(arrays.replicas, learner.table(), learner.taker().stage().rule,
            learner.taker().stage().range, bucket_bytes(parallel), learner.cuts()),
      shared_(arena, learner.device(), &arrays.ties, learner.table()),
      is_sharded_(parallel.zero > 0 && grid.dp > 1) {}

void LearningStage::begin_step() {
  norms_.reset();
  norms_are_shared_ = false;
  final_norm_.clear();
  context_.pipeline_square = 0;
  TakerStage::begin_step();
  sums_.begin(context_.sums_over_replicas ? learner_.gradients() : Vec{});
}

SharedMatrix::What LearningStage::stuck(const char* what) const {
  return [this, what] { return fmt::format("step {}: waits for {}", context_.step, what); };
}

void LearningStage::send_tied(int to_rank) {
  sums_.wait_for(shared_.complete_floats(), stuck("sums of a tied matrix"));
  // The first stage clips the matrix with the projector's group, to which final LN belongs.
  std::vector<double> numbers;
  if (taker_.stage().range.has_head)
    numbers = learner_.adamw().final_norm_squares(on_, learner_.gradients());
  shared_.send(to_rank, learner_.gradients(), std::move(numbers),
               stuck("a tied matrix's gradient to be received"));
}

void LearningStage::receive_tied(int from_rank) {
  const auto what = stuck("the other part of a tied matrix's gradient");
  constexpr std::size_t final_norm_tensors = 2;
  const bool has_head = taker_.stage().range.has_head;
  sums_.wait_for(shared_.complete_floats(), what);
  final_norm_ =
      shared_.receive(from_rank, learner_.gradients(), has_head ? 0 : final_norm_tensors, what);
}

void LearningStage::finish() { shared_.finish(stuck("a tied matrix's gradient to be received")); }

void LearningStage::finish_sums() { sums_.wait(stuck("sums of gradients over replicas")); }

/// Of the stage's summed gradients; taken once in a step.
const GradientNorms& LearningStage::norms() {
  if (norms_) return *norms_;
  AdamW& adamw = learner_.adamw();
  std::vector<double> squares = adamw.squares(on_, learner_.gradients());
  if (is_sharded_) {
    std::vector<double> summed = squares;
    grid_.replicas.sum_in_order(summed);
    for (std::size_t i = 0; i < squares.size(); ++i)
      if (adamw.is_summed_over_shards(i)) squares[i] = summed[i];
  }
  norms_ = adamw.norms(squares, final_norm_);
  square_ = norms_->global * norms_->global;
  return *norms_;
}

void LearningStage::share_norms() {
  finish_sums();
  std::vector<double> square = {norms().global * norms().global};
  grid_.pipeline.sum_in_order(square);
  context_.pipeline_square += square.front();
  norms_are_shared_ = true;
}

void LearningStage::update() {
  GradientNorms clipped_by = norms();
  // Also where one rank holds all stages.
  if (norms_are_shared_) clipped_by.global = std::sqrt(context_.pipeline_square);
  learner_.update(context_.step, context_.learning_rate, clipped_by);
  if (!is_sharded_) return;
  replicas_.wait(replicas_.start_all_gather(learner_.values(), learner_.cuts()),
                 stuck("updated parameters of other replicas"));
}

}  // namespace dfascale
