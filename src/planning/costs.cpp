#include "planning/costs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "credit/flops.hpp"
#include "model/parameters.hpp"
#include "pipeline/rehearse.hpp"
#include "pipeline/theory.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale {
namespace {

constexpr double float_bytes = 4;  // gradients, parameters and moments
/// What AdamW reads and writes of a parameter: value, gradient, two moments; all but the gradient
/// are written back.
constexpr double update_bytes = 7 * float_bytes;

double tokens_of_micro_batch(const Training& training) {
  return static_cast<double>(training.sequences * training.shape.context);
}

double trained_parameters(const Training& training, const StageRange& range) {
  return static_cast<double>(ParameterTable(training.shape, training.rule, range).trained_size());
}

/// The first rank of those that hold the stages of a place in the pipeline (comm/grid.hpp).
std::int64_t first_rank(const Training& training, std::int64_t place) {
  return place * training.parallel.dp;
}

/// With sharded optimiser state the sum is scattered and updated values are gathered; else the sum
/// is gathered: the same bytes, but the gathering then follows the update.
void add_sums(StageTimes& times, const Training& training, double bytes, std::int64_t place,
              const Machine& machine) {
  const std::int64_t first = first_rank(training, place), dp = training.parallel.dp;
  const double half = ring_seconds(machine, first, dp, bytes);
  const double bucket = std::min(bytes, training.parallel.bucket_mib * 1024 * 1024);
  const double tail = ring_seconds(machine, first, dp, bucket);
  const bool is_sharded = training.parallel.zero > 0;
  times.reduce = 2 * half;
  times.reduce_tail = is_sharded ? half + tail : 2 * tail;
}

StageTimes compute_times(const Training& training, const StageRange& range,
                         const Machine& machine) {
  const Shape& shape = training.shape;
  const StageFlops all = flops_per_token(shape, training.rule, range);
  // The head learns within the last stage's forward.
  StageFlops head{};
  if (range.has_head)
    head =
        flops_per_token(shape, training.rule, StageRange{shape.layers, shape.layers, false, true});
  const double each = tokens_of_micro_batch(training) / machine.flops_per_second();
  const double overhead = machine.overhead * static_cast<double>(range.blocks());
  const double input = all.input_gradients - head.input_gradients;
  const double weight = all.weight_gradients - head.weight_gradients;
  StageTimes times;
  times.forward = (all.forward - head.forward + all.of_head) * each + overhead;
  times.input = input * each + (input > 0 ? overhead : 0);
  times.weight = weight * each + (weight > 0 ? overhead : 0);
  return times;
}

}  // namespace

StageTimes stage_times(const Training& training, const StageRange& range, const Machine& machine) {
  StageTimes times = compute_times(training, range, machine);
  const double shards =
      training.parallel.zero > 0 ? static_cast<double>(training.parallel.dp) : 1.0;
  times.update =
      trained_parameters(training, range) * update_bytes / shards / machine.memory_bandwidth;
  return times;
}

Workload workload_of(const Training& training, const std::vector<StageRange>& ranges,
                     const Plan& plan, const Machine& machine) {
  const Shape& shape = training.shape;
  Workload work;
  for (std::size_t s = 0; s < ranges.size(); ++s) {
    work.times.push_back(stage_times(training, ranges[s], machine));
    add_sums(work.times.back(), training, float_bytes * trained_parameters(training, ranges[s]),
             plan.rank_of[s], machine);
  }
  const double D = static_cast<double>(shape.width);
  const double row = tokens_of_micro_batch(training) * machine.value_bytes;
  const double fed_back = training.rule.granularity == Granularity::layer ? 4 * D : D;
  work.bytes = {row * D, row * D, row * fed_back,
                static_cast<double>(shape.padded_vocab()) * D * float_bytes};
  work.network.near = machine.inside;
  work.network.far = machine.between;
  work.network.transfer = machine.transfer;
  work.network.errors = machine.errors;
  for (std::int64_t place = 0; place < training.parallel.pp; ++place)
    work.network.node_of.push_back(
        static_cast<std::int32_t>(machine.node_of(first_rank(training, place))));
  work.network.norms =
      2 * std::ceil(std::log2(static_cast<double>(training.parallel.pp))) * machine.between.latency;
  return work;
}

namespace {

std::int64_t planned_bytes(const Training& training, const StageLayout& layout) {
  std::int64_t sum = 0;
  for (const MemoryRow& row : ParallelLearner::planned_memory(training, layout)) sum += row.bytes;
  return sum;
}

}  // namespace

StageMemory::Kind StageMemory::kind_of(const Training& training, const StageLayout& layout) {
  const StageRange& range = layout.range;
  return {std::string(training.rule.name),
          range.blocks(),
          range.has_embedding,
          range.has_head,
          range.end == training.shape.layers,
          layout.splits_backward,
          layout.sequences,
          training.parallel.zero > 0 ? training.parallel.dp : 1};
}

std::int64_t StageMemory::bytes(const Training& training, const StageLayout& layout) {
  const Kind kind = kind_of(training, layout);
  auto found = known_.find(kind);
  if (found == known_.end()) {
    StageLayout one = layout, two = layout;
    one.slots = 1;
    two.slots = 2;
    const std::int64_t least = planned_bytes(training, one);
    found = known_.emplace(kind, Line{least, planned_bytes(training, two) - least}).first;
  }
  return found->second.one_slot + (layout.slots - 1) * found->second.each_more;
}

const std::vector<RecomputeChoice>& StageMemory::choices(const Training& training,
                                                         const std::vector<StageLayout>& stages) {
  decltype(choices_)::key_type key;
  for (const StageLayout& stage : stages) key.emplace_back(kind_of(training, stage), stage.slots);
  const auto found = choices_.find(key);
  if (found != choices_.end()) return found->second;
  return choices_.emplace(std::move(key), recompute_choices(training, stages)).first->second;
}

std::int64_t LayoutCost::limit(const Machine& machine) const {
  const auto all = static_cast<std::int64_t>(machine.memory_bytes);
  return budget > 0 ? std::min(budget, all) : all;
}

std::int64_t LayoutCost::of_fullest_rank(const std::vector<std::int64_t>& by_stage) const {
  std::vector<std::int64_t> of_rank(plan.rows.size(), 0);
  for (std::size_t s = 0; s < by_stage.size(); ++s)
    of_rank[static_cast<std::size_t>(plan.rank_of[s])] += by_stage[s];
  return *std::max_element(of_rank.begin(), of_rank.end());
}

double LayoutCost::step_tokens() const {
  return static_cast<double>(training.optim.batch_sequences * training.shape.context);
}

double LayoutCost::mfu(const Machine& machine) const {
  const double flops = flops_per_token(training.shape, training.rule).total() * step_tokens();
  return flops / (simulation.step * static_cast<double>(ranks()) * machine.peak_flops);
}

std::optional<double> LayoutCost::idle_in_theory() const {
  const auto mean = [&](auto of) {
    const double sum =
        std::accumulate(workload.times.begin(), workload.times.end(), 0.0,
                        [&](double so_far, const StageTimes& times) { return so_far + of(times); });
    return sum / static_cast<double>(training.parallel.pp);
  };
  const bool is_chained = training.rule.inner == Credit::chain;
  const bool meets = plan.ties.global_norm;
  return dfascale::idle_in_theory(
      plan.schedule, {.signal = is_chained ? Signal::chained : Signal::direct,
                      .ranks = plan.ranks(),
                      .virtual_stages = static_cast<std::int32_t>(training.parallel.virtual_stages),
                      .micro_batches = plan.micro_batches,
                      .in_flight = static_cast<std::int32_t>(training.parallel.in_flight),
                      .forward = mean([](const StageTimes& t) { return t.forward; }),
                      .input = mean([](const StageTimes& t) { return t.input; }),
                      .weight = mean([](const StageTimes& t) { return t.weight; }),
                      .steps = meets ? EqualRanks::Steps::meet : EqualRanks::Steps::run_on});
}

LayoutCost plan_layout(const Training& training, const Machine& machine, std::int64_t budget) {
  LayoutCost cost{training, stage_ranges(training), {}, {}, {}, {}, {}, budget};
  cost.plan = step_plan(training, cost.ranges);
  cost.workload = workload_of(training, cost.ranges, cost.plan, machine);
  return cost;
}

namespace {

/// The stages of each rank of a pipeline.
std::vector<std::vector<std::size_t>> stages_by_place(const LayoutCost& cost) {
  std::vector<std::vector<std::size_t>> stages(cost.plan.rows.size());
  for (std::size_t s = 0; s < cost.ranges.size(); ++s)
    stages[static_cast<std::size_t>(cost.plan.rank_of[s])].push_back(s);
  return stages;
}

Recomputation fitted(const LayoutCost& cost, const std::vector<StageLayout>& layouts,
                     StageMemory& memory, std::int64_t limit) {
  Recomputation fitted;
  for (const StageRange& range : cost.ranges)
    fitted.levels.emplace_back(static_cast<std::size_t>(range.blocks()), Recompute::nothing);
  for (const std::vector<std::size_t>& stages : stages_by_place(cost)) {
    std::int64_t kept = 0;
    std::vector<StageLayout> own;
    for (const std::size_t s : stages) {
      kept += cost.stage_bytes[s];
      own.push_back(layouts[s]);
    }
    if (kept <= limit) continue;
    const std::int64_t rest = kept - kept_bytes(cost.training, own);
    deal_out(cheapest_within(memory.choices(cost.training, own), limit - rest), stages, cost.ranges,
             fitted);
  }
  return fitted;
}

/// Seconds of a micro-batch.
double seconds_of(const RecomputeCost& again, const Training& training, const Machine& machine) {
  return tokens_of_micro_batch(training) *
         (again.flops / machine.flops_per_second() + again.bytes / machine.memory_bandwidth);
}

/// What stages compute again becomes theirs: less memory, more time.
void add_recomputation(LayoutCost& cost, const Machine& machine) {
  const std::vector<StageLayout> layouts = stage_layouts(cost.training, cost.ranges, cost.plan);
  for (std::size_t s = 0; s < layouts.size(); ++s) {
    const StageLayout& stage = layouts[s];
    cost.stage_bytes[s] +=
        bytes_with(cost.training, {stage}, cost.training.recomputation.levels[s]) -
        kept_bytes(cost.training, {stage});
    StageTimes& times = cost.workload.times[s];
    const auto seconds = [&](Pass pass) {
      return seconds_of(cost_again(cost.training, stage, pass), cost.training, machine);
    };
    times.input += seconds(stage.splits_backward ? Pass::input : Pass::all);
    if (stage.splits_backward) times.weight += seconds(Pass::weights);
  }
}

}  // namespace

void add_memory(LayoutCost& cost, StageMemory& memory, const Machine& machine) {
  const std::vector<StageLayout> layouts = stage_layouts(cost.training, cost.ranges, cost.plan);
  for (const StageLayout& layout : layouts) {
    cost.stage_bytes.push_back(memory.bytes(cost.training, layout));
    cost.slots.push_back(static_cast<std::int32_t>(layout.slots));
  }
  if (cost.budget == 0 || cost.fits(machine)) return;
  cost.training.recomputation = fitted(cost, layouts, memory, cost.limit(machine));
  add_recomputation(cost, machine);
}

std::int64_t least_bytes(const LayoutCost& cost, StageMemory& memory) {
  const std::vector<std::int32_t> slots = least_slots(cost.plan);
  const std::vector<Action>& row = cost.plan.rows.front();
  const bool splits = std::any_of(row.begin(), row.end(),
                                  [](const Action& a) { return a.op == Op::backward_input; });
  std::vector<std::int64_t> bytes;
  for (std::size_t s = 0; s < slots.size(); ++s) {
    const StageLayout layout =
        stage_layout(cost.training, s, {cost.ranges[s], cost.training.sequences, slots[s], splits});
    bytes.push_back(memory.bytes(cost.training, layout));
    if (cost.budget > 0)
      bytes.back() += least_bytes(cost.training, {layout}) - kept_bytes(cost.training, {layout});
  }
  return cost.of_fullest_rank(bytes);
}

void add_simulation(LayoutCost& cost, const SimulationOptions& options) {
  cost.simulation = simulate(cost.plan, cost.slots, cost.workload, options);
}

}  // namespace dfascale
