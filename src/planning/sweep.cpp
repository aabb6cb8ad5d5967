#include "planning/sweep.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "deck/deck.hpp"
#include "pipeline/schedules.hpp"

namespace dfascale {
namespace {

constexpr double least_use = 0.75;  // of the machine's ranks
constexpr std::int64_t most_virtual_stages = 4;

/// Numbers of ranks in a pipeline: those that divide the blocks or the machine.
std::vector<std::int64_t> pipelines(const Settings& settings, const Machine& machine) {
  std::vector<std::int64_t> found;
  const std::int64_t most = std::min(settings.model.layers, machine.ranks());
  for (std::int64_t pp = 1; pp <= most; ++pp)
    if (settings.model.layers % pp == 0 || machine.ranks() % pp == 0) found.push_back(pp);
  return found;
}

/// As many replicas as there is room for and the batch can be dealt out to; 0 if too few.
std::int64_t replicas(const Settings& settings, const Machine& machine, std::int64_t pp) {
  std::int64_t dp = machine.ranks() / pp;
  while (dp > 1 && settings.optim.batch_sequences % dp != 0) --dp;
  const bool uses_enough =
      static_cast<double>(dp * pp) >= least_use * static_cast<double>(machine.ranks());
  return uses_enough && settings.optim.batch_sequences % dp == 0 ? dp : 0;
}

struct ScheduleChoice {
  std::string name;
  std::int64_t virtual_stages;
};

/// Every schedule for the rule with every number of stages a rank; those made for it first.
std::vector<ScheduleChoice> schedule_choices(const Rule& rule, std::int64_t pp) {
  const bool is_chained = rule.inner == Credit::chain;
  if (pp == 1) return {{default_schedule(rule), 1}};
  std::vector<ScheduleChoice> choices;
  for (auto facts = schedules.rbegin(); facts != schedules.rend(); ++facts) {
    const std::string name(facts->name);
    if ((name == "unlocked" && is_chained) || (name.starts_with("zb-") && !is_chained)) continue;
    const std::int64_t most =
        std::min<std::int64_t>(facts->most_virtual_stages, most_virtual_stages);
    for (std::int64_t v = facts->least_virtual_stages; v <= most; ++v) choices.push_back({name, v});
  }
  return choices;
}

/// Layouts that differ in the sequences of a micro-batch only, ascending: memory grows along them.
using Family = std::vector<ParallelSettings>;

Family family(const Settings& settings, ParallelSettings layout, const SweepLimits& limits) {
  Family found;
  const std::int64_t share = settings.optim.batch_sequences / layout.dp;
  for (std::int64_t sequences = 1; sequences <= share; sequences *= 2) {
    layout.micro_batches = share / sequences;
    if (share % sequences == 0 && layout.micro_batches <= limits.micro_batches)
      found.push_back(layout);
  }
  return found;
}

/// Those of one pipeline length.
std::vector<Family> families(const Settings& settings, const Rule& rule, const Machine& machine,
                             std::int64_t pp, const SweepLimits& limits) {
  std::vector<Family> found;
  const std::int64_t dp = replicas(settings, machine, pp);
  if (dp == 0) return found;
  for (const ScheduleChoice& choice : schedule_choices(rule, pp)) {
    if (pp * choice.virtual_stages > settings.model.layers) continue;
    for (std::int64_t zero = 0; zero <= (dp > 1 ? 1 : 0); ++zero) {
      ParallelSettings layout = settings.parallel;
      layout.dp = dp;
      layout.pp = pp;
      layout.zero = zero;
      layout.schedule = choice.name;
      layout.virtual_stages = choice.virtual_stages;
      layout.in_flight = 0;
      layout.split.clear();
      found.push_back(family(settings, layout, limits));
    }
  }
  return found;
}

/// At equal times the one that takes less memory.
bool is_better(const LayoutCost& a, const LayoutCost& b) {
  if (a.simulation.step != b.simulation.step) return a.simulation.step < b.simulation.step;
  return a.most_bytes() < b.most_bytes();
}

/// The busiest rank's own time: no schedule is faster.
double least_step(const Training& training, const Machine& machine) {
  std::vector<double> of_rank(static_cast<std::size_t>(training.parallel.pp), 0);
  const std::vector<StageRange> ranges = stage_ranges(training);
  const bool is_v = training.parallel.schedule == "zb-v";
  for (std::size_t s = 0; s < ranges.size(); ++s) {
    const StageTimes t = stage_times(training, ranges[s], machine);
    const std::size_t turn = s % of_rank.size();
    const std::size_t rank = is_v && s >= of_rank.size() ? of_rank.size() - 1 - turn : turn;
    of_rank[rank] +=
        static_cast<double>(training.parallel.micro_batches) * (t.forward + t.backward()) +
        t.update;
  }
  return *std::max_element(of_rank.begin(), of_rank.end());
}

Training training_of(const Settings& settings, const Rule& rule, const ParallelSettings& layout) {
  Settings changed = settings;
  changed.rule = rule;
  changed.parallel = layout;
  return Training::of(changed);
}

/// Fewer micro-batches in flight take less memory and more time: half as many, until it fits, where
/// the schedule has a choice.  One that fits by computing again is compared with fewer in flight.
std::optional<LayoutCost> fitting(Training training, const Machine& machine,
                                  const SweepLimits& limits, std::int64_t budget,
                                  StageMemory& memory, SweepResult& result) {
  ++result.tried;
  std::optional<LayoutCost> best;
  std::int64_t& in_flight = training.parallel.in_flight;
  for (std::int64_t k = std::min(training.parallel.pp, training.parallel.micro_batches); k >= 1;
       k /= 2) {
    LayoutCost cost = plan_layout(training, machine, budget);
    if (least_bytes(cost, memory) <= cost.limit(machine)) add_memory(cost, memory, machine);
    const bool fits = !cost.slots.empty() && cost.fits(machine);
    const bool keeps_everything = cost.training.recomputation.empty();
    if (fits) add_simulation(cost, {.steps = limits.steps});
    if (fits && (!best || is_better(cost, *best))) best = std::move(cost);
    if ((fits && keeps_everything) || training.parallel.schedule != "unlocked") break;
    in_flight = std::max<std::int64_t>(k / 2, 1);
  }
  result.too_large += !best;
  return best;
}

/// The best few layouts of one pipeline length, best first.
std::vector<LayoutCost> best_of_length(const Settings& settings, const Machine& machine,
                                       std::int64_t pp, const SweepLimits& limits,
                                       StageMemory& memory, SweepResult& result) {
  const auto kept = static_cast<std::size_t>(limits.kept);
  std::vector<LayoutCost> best;
  for (const Family& layouts : families(settings, result.rule, machine, pp, limits))
    for (const ParallelSettings& layout : layouts) {
      const Training training = training_of(settings, result.rule, layout);
      const bool may_be_best =
          best.size() < kept || least_step(training, machine) < best.back().simulation.step;
      if (!may_be_best) continue;
      std::optional<LayoutCost> cost =
          fitting(training, machine, limits, settings.run.memory, memory, result);
      if (!cost) break;
      best.insert(std::upper_bound(best.begin(), best.end(), *cost, is_better), std::move(*cost));
      if (best.size() > kept) best.pop_back();
    }
  return best;
}

}  // namespace

SweepResult sweep(const Settings& settings, const Rule& rule, const Machine& machine,
                  const SweepLimits& limits) {
  SweepResult result{rule, {}, {}};
  StageMemory memory;
  for (const std::int64_t pp : pipelines(settings, machine)) {
    std::vector<LayoutCost> best = best_of_length(settings, machine, pp, limits, memory, result);
    if (!best.empty()) result.by_pipeline.push_back(best.front());
    std::move(best.begin(), best.end(), std::back_inserter(result.best));
  }
  std::stable_sort(result.best.begin(), result.best.end(), is_better);
  if (result.best.size() > static_cast<std::size_t>(limits.kept))
    result.best.erase(result.best.begin() + limits.kept, result.best.end());
  return result;
}

}  // namespace dfascale
