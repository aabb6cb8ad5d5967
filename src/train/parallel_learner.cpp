#include "train/parallel_learner.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "pipeline/schedules.hpp"

namespace dfascale {
namespace {

Plan one_micro_batch(Training training, const std::vector<StageRange>& ranges) {
  training.parallel.micro_batches = 1;
  return own_gradients_only(step_plan(training, ranges));
}

}  // namespace

/// Learners of a rank's stages, and what makes the engine use them; by stage, null elsewhere.
struct ParallelLearner::LocalStages {
  LocalStages(Arena& arena, const Device& on, Gemm& gemm, const Training& training,
              const std::vector<StageRange>& ranges, const Plan& plan, const Grid& grid,
              const GridArrays& arrays, StepContext& context) {
    const std::vector<StageLayout> layouts = stage_layouts(training, ranges, plan);
    for (std::size_t s = 0; s < ranges.size(); ++s) {
      if (plan.rank_of[s] != grid.place) continue;
      learners.push_back(std::make_unique<Learner>(arena, on, gemm, training.shape, training.rule,
                                                   training.optim, layouts[s],
                                                   sharding(training.parallel, grid.replica)));
      stages.push_back(std::make_unique<LearningStage>(arena, grid, arrays, *learners.back(),
                                                       training.parallel, context));
      numbers.push_back(s);
    }
  }

  std::vector<StageWork*> by_stage(std::size_t all) const {
    std::vector<StageWork*> work(all, nullptr);
    for (std::size_t i = 0; i < stages.size(); ++i) work[numbers[i]] = stages[i].get();
    return work;
  }

  std::vector<std::unique_ptr<Learner>> learners;
  std::vector<std::unique_ptr<LearningStage>> stages;
  std::vector<std::size_t> numbers;
};

ParallelLearner::ParallelLearner(const Comm& world, const Device& on, Gemm& gemm,
                                 const Training& training)
    : training_(training),
      grid_(world, static_cast<int>(training.parallel.dp), static_cast<int>(training.parallel.pp)),
      ranges_(stage_ranges(training)),
      plan_(step_plan(training, ranges_)),
      arrays_(grid_, on, routes_between_stages(plan_), routes_between_ends(training.shape, plan_)) {
  stages_ =
      make_in<LocalStages>(arena_, on, gemm, training_, ranges_, plan_, grid_, arrays_, context_);
  open_store(on);
  engine_ = std::make_unique<Engine>(arrays_.pipeline, stages_->by_stage(ranges_.size()), trace_);
  const std::int64_t tokens = training.optim.batch_sequences * training.shape.context;
  context_.scale = static_cast<float>(1 / static_cast<double>(tokens));
  gemm.call_between(progress_messages);
}

ParallelLearner::~ParallelLearner() = default;

/// One for all stages of the rank, where blocks of any send something.
void ParallelLearner::open_store(const Device& on) {
  std::int64_t bytes = 0;
  for (const Learner* learner : learners())
    bytes += learner->taker().stage().offload.stored_bytes();
  if (bytes == 0) return;
  store_ = std::make_unique<ActivationStore>(on, training_.elsewhere.where, bytes);
  if (const std::string note = store_->note(); !note.empty()) log::warn("{}", note);
  std::int64_t place = 0;
  for (Learner* learner : learners()) {
    learner->taker().connect(*store_, place);
    place += learner->taker().stage().offload.stored_bytes();
  }
}

std::vector<Learner*> ParallelLearner::learners() const {
  std::vector<Learner*> found;
  for (const auto& learner : stages_->learners) found.push_back(learner.get());
  return found;
}

void ParallelLearner::initialise_parameters(std::uint64_t seed, double init_std) {
  for (Learner* learner : learners()) learner->initialise_parameters(seed, init_std);
}

void ParallelLearner::draw_feedback(std::uint64_t seed) {
  for (Learner* learner : learners()) learner->draw_feedback(seed);
}

void ParallelLearner::reset_moments() {
  for (Learner* learner : learners()) learner->reset_moments();
}

void ParallelLearner::check_parameters() const {
  for (Learner* learner : learners()) learner->check_parameters();
}

std::uint64_t ParallelLearner::feedback_checksum(const Comm& world) const {
  std::uint64_t own = 0;
  for (Learner* learner : learners()) own = std::max(own, learner->feedback().checksum());
  // The bits as a signed number: only the stage with the head has any that are not zero.
  std::int64_t bits = static_cast<std::int64_t>(own);
  const std::int64_t least = world.min(bits), most = world.max(bits);
  return static_cast<std::uint64_t>(most != 0 ? most : least);
}

void ParallelLearner::run(const Plan& plan, Mode mode, const TokenSource& tokens) {
  context_.tokens = tokens;
  engine_->run(plan, mode, context_.step);
}

void ParallelLearner::step(std::int64_t step, double learning_rate, const TokenSource& tokens) {
  context_.step = step;
  context_.learning_rate = learning_rate;
  trace_.begin_step();
  run(plan_, Mode::learn, tokens);
  trace_.end_step();
}

void ParallelLearner::take_gradients(const TokenSource& tokens) {
  run(gradients_only(plan_), Mode::learn, tokens);
  for (const auto& stage : stages_->stages) stage->finish_sums();
}

void ParallelLearner::take_own_gradients(const TokenSource& tokens) {
  context_.sums_over_replicas = false;
  run(own_gradients_only(plan_), Mode::learn, tokens);
  context_.sums_over_replicas = true;
}

void ParallelLearner::take_probe_gradients(const TokenSource& tokens, float scale) {
  const float own_scale = std::exchange(context_.scale, scale);
  context_.sums_over_replicas = false;
  run(one_micro_batch(training_, ranges_), Mode::learn, tokens);
  context_.sums_over_replicas = true;
  context_.scale = own_scale;
}

double ParallelLearner::evaluate(std::int64_t micro_batches, const TokenSource& tokens) {
  for (Learner* learner : learners()) learner->taker().begin_evaluation();
  if (micro_batches > 0) {
    if (evaluation_plan_.micro_batches != micro_batches)
      evaluation_plan_ = forward_only_plan(plan_, static_cast<std::int32_t>(micro_batches));
    run(evaluation_plan_, Mode::evaluate, tokens);
  }
  return loss_sum();
}

void ParallelLearner::finish() {
  engine_->finish();
  for (const auto& stage : stages_->stages) stage->finish();
}

double ParallelLearner::loss_sum() const {
  for (Learner* learner : learners())
    if (learner->taker().stage().range.has_head) return learner->taker().loss_sum();
  return 0;
}

double ParallelLearner::gradient_square() const {
  double square = 0;
  for (const auto& stage : stages_->stages) square += stage->gradient_square();
  return square;
}

std::vector<MemoryRow> ParallelLearner::planned_memory(const Training& training,
                                                       const StageLayout& layout) {
  const Device on;
  Gemm gemm(on);
  Arena counting;
  const Learner learner(counting, on, gemm, training.shape, training.rule, training.optim, layout,
                        sharding(training.parallel, 0));
  std::vector<MemoryRow> rows = learner.memory();
  const std::int64_t before = counting.bytes();
  const SharedMatrix exchange(counting, on, nullptr, learner.table());
  if (counting.bytes() > before)
    rows.push_back({"exchange of a tied matrix", counting.bytes() - before});
  return rows;
}

std::vector<MemoryRow> ParallelLearner::planned_memory(const Training& training, int place) {
  std::vector<MemoryRow> sum;
  const auto add = [&](const MemoryRow& row) {
    const auto same = [&](const MemoryRow& other) { return other.what == row.what; };
    const auto found = std::find_if(sum.begin(), sum.end(), same);
    if (found == sum.end()) sum.push_back(row);
    else found->bytes += row.bytes;
  };
  const std::vector<StageRange> ranges = stage_ranges(training);
  const Plan plan = step_plan(training, ranges);
  const std::vector<StageLayout> layouts = stage_layouts(training, ranges, plan);
  for (std::size_t s = 0; s < ranges.size(); ++s)
    if (plan.rank_of[s] == place)
      for (const MemoryRow& row : planned_memory(training, layouts[s])) add(row);
  return sum;
}

}  // namespace dfascale
