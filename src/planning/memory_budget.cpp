#include "planning/memory_budget.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "credit/flops.hpp"
#include "planning/recompute_choices.hpp"
#include "train/alignment.hpp"

namespace dfascale {
namespace {

double megabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

/// A rank's stages, and how its blocks may be kept.
struct Place {
  std::vector<std::size_t> stages;
  std::vector<RecomputeChoice> choices;
  std::int64_t rest = 0;  ///< bytes that no choice changes

  std::int64_t least() const { return rest + choices.front().bytes; }
};

Place place_of(const Training& training, const Plan& plan, const std::vector<StageLayout>& layouts,
               int place, const MemoryUse& use) {
  Place found;
  std::vector<StageLayout> own;
  for (std::size_t s = 0; s < layouts.size(); ++s) {
    if (plan.rank_of[s] != place) continue;
    found.stages.push_back(s);
    own.push_back(layouts[s]);
  }
  found.choices = recompute_choices(training, own);
  found.rest = bytes_of(memory_of_place(training, place, use)) - kept_bytes(training, own);
  return found;
}

Recomputation only_in_the_probe(const std::vector<StageRange>& ranges) {
  Recomputation recomputation;
  recomputation.unlisted = Recompute::everything;
  for (const StageRange& range : ranges)
    recomputation.levels.emplace_back(static_cast<std::size_t>(range.blocks()), Recompute::nothing);
  return recomputation;
}

bool everything_fits(const Training& training, const MemoryUse& use, std::int64_t budget) {
  for (int place = 0; place < training.parallel.pp; ++place)
    if (bytes_of(memory_of_place(training, place, use)) > budget) return false;
  return true;
}

std::string cures(const Training& training, const MemoryUse& use) {
  std::string text =
      "set run.memory higher if the machine has it, or use more parallel.micro_batches or fewer "
      "optim.batch_sequences (micro-batches of fewer sequences)";
  if (training.optim.precision == Precision::f32) text += ", optim.precision = \"bf16\"";
  if (training.parallel.zero == 0) text += ", parallel.zero = 1 on several replicas";
  else text += ", more replicas (parallel.dp), which share out optimiser state";
  text += ", more ranks in a pipeline (parallel.pp)";
  if (use.probe == MemoryUse::Probe::alignment) text += ", run.alignment_steps = 0";
  return text;
}

/// `least` has the choices that take least.
[[noreturn]] void refuse(const Training& least, int place, const MemoryUse& use,
                         std::int64_t budget) {
  const std::vector<MemoryRow> rows = memory_of_place(least, place, use);
  std::string table;
  for (const std::string& line : memory_table(rows)) table += "\n" + line;
  fail(Exit::usage,
       "run.memory = {} ({:.1f} MB): rank {} of the pipeline needs at least {} bytes ({:.1f} MB), "
       "even where all blocks compute everything again that they can:{}\n{}",
       budget, megabytes(budget), place, bytes_of(rows), megabytes(bytes_of(rows)), table,
       cures(least, use));
}

/// "elementwise on 3, fc1 on 4 of 7 blocks"
std::string levels_text(const std::vector<Recompute>& levels) {
  std::string text;
  for (const RecomputeLevel& facts : recompute_levels) {
    const auto blocks = std::count(levels.begin(), levels.end(), facts.level);
    if (blocks == 0 || facts.level == Recompute::nothing) continue;
    text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", facts.name, blocks);
  }
  return fmt::format("{} of {} block(s)", text.empty() ? "nothing on any" : text, levels.size());
}

}  // namespace

std::int64_t bytes_of(const std::vector<MemoryRow>& rows) {
  std::int64_t sum = 0;
  for (const MemoryRow& row : rows) sum += row.bytes;
  return sum;
}

std::vector<std::string> memory_table(const std::vector<MemoryRow>& rows) {
  std::vector<std::string> lines;
  const auto add = [&](std::string_view what, std::int64_t bytes) {
    lines.push_back(fmt::format("  {:<28}{:>10.1f} MB", what, megabytes(bytes)));
  };
  for (const MemoryRow& row : rows) add(row.what, row.bytes);
  add("in all", bytes_of(rows));
  return lines;
}

std::vector<MemoryRow> memory_of_place(const Training& training, int place, const MemoryUse& use) {
  std::vector<MemoryRow> rows = ParallelLearner::planned_memory(training, place);
  if (use.probe == MemoryUse::Probe::alignment)
    rows.push_back({"alignment probe", AlignmentProbe::planned_bytes(training, place)});
  rows.insert(rows.end(), use.beside.begin(), use.beside.end());
  return rows;
}

Recomputation fit_to_memory(const Training& training, const MemoryUse& use, std::int64_t budget) {
  if (budget == 0 || everything_fits(training, use, budget)) return {};
  const std::vector<StageRange> ranges = stage_ranges(training);
  const Plan plan = step_plan(training, ranges);
  Training fitted = training;
  fitted.recomputation = only_in_the_probe(ranges);
  const std::vector<StageLayout> layouts = stage_layouts(fitted, ranges, plan);
  std::vector<Place> places;
  places.reserve(static_cast<std::size_t>(training.parallel.pp));
  for (int p = 0; p < training.parallel.pp; ++p)
    places.push_back(place_of(fitted, plan, layouts, p, use));
  const auto largest = std::ranges::max_element(places, {}, &Place::least);
  for (const Place& place : places)
    deal_out(cheapest_within(place.choices, budget - place.rest), place.stages, ranges,
             fitted.recomputation);
  if (largest->least() > budget)
    refuse(fitted, static_cast<int>(largest - places.begin()), use, budget);
  return fitted.recomputation;
}

RecomputeCost cost_again(const Training& training) {
  const std::vector<StageRange> ranges = stage_ranges(training);
  RecomputeCost sum;
  for (const StageLayout& stage : stage_layouts(training, ranges, step_plan(training, ranges)))
    sum += cost_again(training, stage);
  return sum;
}

std::string recomputation_text(const Training& training) {
  if (training.recomputation.empty()) return "";
  const std::vector<std::vector<Recompute>>& levels = training.recomputation.levels;
  std::string text;
  for (std::size_t s = 0; s < levels.size(); ++s)
    text += (s > 0 ? "; " : "") +
            (levels.size() > 1 ? fmt::format("stage {}: ", s) : std::string()) +
            levels_text(levels[s]);
  const RecomputeCost cost = cost_again(training);
  const double tokens =
      static_cast<double>(training.optim.batch_sequences * training.shape.context);
  text += fmt::format("; {:.1f} % more FLOP and {:.3g} GB more memory traffic in a step",
                      100 * cost.flops / flops_per_token(training.shape, training.rule).total(),
                      cost.bytes * tokens / 1e9);
  if (cost.moved > 0)
    text += fmt::format(", up to {:.3g} GB to and from {}", cost.moved * tokens / 1e9,
                        training.elsewhere.where);
  return text;
}

}  // namespace dfascale
