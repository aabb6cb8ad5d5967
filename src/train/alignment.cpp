#include "train/alignment.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <sstream>

#include "kernels/reduce.hpp"

namespace dfascale {
namespace {

const Rule& backpropagation() { return rules.front(); }

/// The model's layout, its rule backpropagation, one micro-batch.
Training probing(Training training) {
  training.rule = backpropagation();
  training.parallel.micro_batches = 1;
  if (training.parallel.schedule == "unlocked") training.parallel.schedule = "1f1b";
  training.parallel.in_flight = 0;
  training.recomputation.levels.clear();
  return training;
}

/// Takes gradients; nothing is summed over replicas and nothing updated.
class ProbeStage final : public TakerStage {
 public:
  ProbeStage(Arena& arena, const Device& on, const ArrayComm& ties, GradientTaker& taker,
             StepContext& context)
      : TakerStage(on, taker, context), shared_(arena, on, &ties, taker.table()) {}

  void reduce() override {}
  void send_tied(int to_rank) override { shared_.send(to_rank, taker_.gradients(), {}, what); }
  void receive_tied(int from_rank) override {
    shared_.receive(from_rank, taker_.gradients(), 0, what);
  }
  void share_norms() override {}
  void finish_sums() override {}
  void update() override {}
  void finish() { shared_.finish(what); }

 private:
  static std::string what() { return "alignment probe: waits for a tied matrix's gradient"; }
  void complete(std::int64_t /*block*/) override {}
  SharedMatrix shared_;
};

Alignment alignment(const std::string& name, double rule, double bp, double both) {
  const double product = std::sqrt(rule) * std::sqrt(bp);
  const double cosine = product > 0 ? both / product : std::numeric_limits<double>::quiet_NaN();
  return {name, cosine, std::sqrt(rule), std::sqrt(bp)};
}

}  // namespace

struct AlignmentProbe::Stages {
  Stages(Arena& arena, const Device& on, Gemm& gemm, const Training& training, const Plan& plan,
         const std::vector<StageRange>& ranges, int place, const ArrayComm* ties,
         StepContext& context) {
    const std::vector<StageLayout> layouts = stage_layouts(training, ranges, plan);
    work.resize(ranges.size(), nullptr);
    for (std::size_t s = 0; s < ranges.size(); ++s) {
      if (plan.rank_of[s] != place) continue;
      takers.push_back(std::make_unique<GradientTaker>(arena, on, gemm, training.shape,
                                                       training.rule, layouts[s]));
      if (ties == nullptr) continue;
      stages.push_back(std::make_unique<ProbeStage>(arena, on, *ties, *takers.back(), context));
      work[s] = stages.back().get();
    }
  }

  std::vector<std::unique_ptr<GradientTaker>> takers;
  std::vector<std::unique_ptr<ProbeStage>> stages;
  std::vector<StageWork*> work;  ///< by stage, null elsewhere
};

AlignmentProbe::AlignmentProbe(const Comm& world, const Device& on, Gemm& gemm,
                               const Training& training, ParallelLearner& model)
    : world_(world),
      on_(on),
      model_(model),
      training_(probing(training)),
      plan_(step_plan(training_, model.ranges())) {
  stages_ = make_in<Stages>(arena_, on, gemm, training_, plan_, model.ranges(), model.grid().place,
                            &model.arrays().ties, context_);
  plan_ = gradients_only(plan_);
  const std::vector<Learner*> learners = model.learners();
  for (std::size_t i = 0; i < learners.size(); ++i)
    stages_->takers[i]->bind(learners[i]->table(), learners[i]->values(), learners[i]->feedback());
  engine_ = std::make_unique<Engine>(model.arrays().pipeline, stages_->work, trace_);
  context_.scale = 1.0f / static_cast<float>(training.sequences * training.shape.context);
  sum_arena_.vector<double>(3);
  sum_arena_.commit();
  sums_ = sum_arena_.vector<double>(3);
}

AlignmentProbe::~AlignmentProbe() = default;

AlignmentProbe::Sums AlignmentProbe::sums_of(ConstVec rule, ConstVec bp) {
  sum_of_squares(on_, sums_.data + 1, bp);
  if (rule) {
    sum_of_squares(on_, sums_.data, rule);
    dot(on_, sums_.data + 2, rule, bp);
  }
  std::array<double, 3> sums{};
  copy_to_host(on_, sums.data(), sums_.data, sizeof sums);
  return rule ? Sums{sums[0], sums[1], sums[2]} : Sums{0, sums[1], 0};
}

/// A line for each tensor of this rank: name, and three sums with all their digits.
std::string AlignmentProbe::own_sums() {
  std::string text;
  const std::vector<Learner*> learners = model_.learners();
  for (std::size_t i = 0; i < learners.size(); ++i) {
    const GradientTaker& bp = *stages_->takers[i];
    for (const Parameter& row : learners[i]->table().all()) {
      if (!row.held() || row.is_copy) continue;
      const Sums sums =
          sums_of(vector_of(row, Buffer::trained, ConstVec(learners[i]->gradients())),
                  vector_of(bp.table().find(row.name), Buffer::trained, ConstVec(bp.gradients())));
      text += fmt::format("{} {:a} {:a} {:a}\n", row.name, sums.rule, sums.bp, sums.both);
    }
  }
  return text;
}

std::vector<Alignment> AlignmentProbe::measure(const TokenSource& tokens) {
  model_.take_probe_gradients(tokens, context_.scale);
  context_.tokens = tokens;
  engine_->run(plan_, Mode::learn, 0);
  // Replicas have taken the same gradients.
  const std::string own = model_.grid().replica == 0 ? own_sums() : "";
  engine_->finish();
  for (const auto& stage : stages_->stages) stage->finish();
  std::map<std::string, Sums> found;
  for (const std::string& text : world_.gather(own)) {
    std::istringstream lines(text);
    for (std::string name, rule, bp, both; lines >> name >> rule >> bp >> both;)
      found[name] = {std::strtod(rule.c_str(), nullptr), std::strtod(bp.c_str(), nullptr),
                     std::strtod(both.c_str(), nullptr)};
  }
  if (world_.rank() != 0) return {};

  const ParameterTable& table = model_.learners().front()->table();
  std::vector<Alignment> result;
  std::vector<Sums> blocks(static_cast<std::size_t>(table.blocks()));
  Sums all;
  const auto add = [](Sums& to, const Sums& more) {
    to.rule += more.rule;
    to.bp += more.bp;
    to.both += more.both;
  };
  for (const Parameter& row : table.all()) {
    const Sums& sums = found.at(row.name);
    result.push_back(alignment(row.name, sums.rule, sums.bp, sums.both));
    add(all, sums);
    if (row.block >= 0 && row.block < table.blocks())
      add(blocks[static_cast<std::size_t>(row.block)], sums);
  }
  for (std::size_t l = 0; l < blocks.size(); ++l)
    result.push_back(
        alignment("blocks." + std::to_string(l), blocks[l].rule, blocks[l].bp, blocks[l].both));
  result.push_back(alignment("all", all.rule, all.bp, all.both));
  return result;
}

std::int64_t AlignmentProbe::planned_bytes(const Training& training, int place) {
  const Device on;
  Gemm gemm(on);
  Arena counting;
  StepContext context;
  const Training probe = probing(training);
  const std::vector<StageRange> ranges = stage_ranges(training);
  const Stages counted(counting, on, gemm, probe, step_plan(probe, ranges), ranges, place, nullptr,
                       context);
  return counting.bytes();
}

}  // namespace dfascale
