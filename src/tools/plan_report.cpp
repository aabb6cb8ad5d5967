#include "tools/plan_report.hpp"

#include <algorithm>
#include <numeric>

#include "base/log.hpp"
#include "credit/flops.hpp"
#include "pipeline/grid.hpp"
#include "planning/memory_budget.hpp"

namespace dfascale {
namespace {

constexpr std::size_t shown_stages = 16;
constexpr double GB = 1e9, ms = 1e3;

double percent_of_step(const LayoutCost& cost, double seconds) {
  return 100 * seconds / cost.simulation.step;
}

std::string clip_word(const LayoutCost& cost) {
  return cost.plan.ties.global_norm ? "global" : "block or none";
}

void say_head(const LayoutCost& cost, const Machine& machine) {
  const ParallelSettings& p = cost.training.parallel;
  log::say("machine         {}: {} of {} ranks", machine.name, cost.ranks(), machine.ranks());
  log::say(
      "layout          dp {} x pp {}, zero {}, schedule {}{}, {} micro-batch(es) of {} sequence(s)",
      p.dp, p.pp, p.zero, p.schedule,
      p.virtual_stages > 1 ? fmt::format(" with {} stages a rank", p.virtual_stages) : "",
      p.micro_batches, cost.training.sequences);
}

/// What makes stages wait for each other once in a step, and the cure.
void say_ties(const LayoutCost& cost) {
  const Ties& ties = cost.plan.ties;
  if (cost.plan.stages() == 1) return;
  if (ties.global_norm)
    log::say(
        "ties            optim.clip = \"global\": all stages meet before every update, so none "
        "runs on into the next step; \"block\" or \"none\" lets them");
  if (ties.tied_matrix)
    log::say(
        "ties            model.tied: the first and the last stage exchange the shared matrix's "
        "gradient, {:.3f} GB{} a step, behind other work",
        cost.workload.bytes.tied / GB, ties.embedding_learns ? " each way" : "");
  if (!ties.global_norm && !ties.tied_matrix)
    log::say("ties            none: a stage begins the next step when it has updated itself");
}

void say_stage(const LayoutCost& cost, std::size_t s) {
  const StageTimes& t = cost.workload.times[s];
  const StageRange& range = cost.ranges[s];
  log::say("{:>5} {:>5} {:>7} {:>5} {:>10.3f} {:>10.3f} {:>10.3f} {:>6} {:>10.3f}", s,
           cost.plan.rank_of[s], range.blocks(), range.has_head ? "yes" : "", ms * t.forward,
           ms * t.input, ms * t.weight, cost.slots[s],
           static_cast<double>(cost.stage_bytes[s]) / GB);
}

void say_stages(const LayoutCost& cost) {
  log::say("\n{:>5} {:>5} {:>7} {:>5} {:>10} {:>10} {:>10} {:>6} {:>10}", "stage", "rank", "blocks",
           "head", "t_f ms", "t_i ms", "t_w ms", "slots", "memory GB");
  const std::size_t S = cost.ranges.size();
  for (std::size_t s = 0; s < S; ++s) {
    const bool is_cut = S > shown_stages;
    if (is_cut && s == shown_stages / 2) log::say("  ...");
    if (!is_cut || s < shown_stages / 2 || s >= S - shown_stages / 2) say_stage(cost, s);
  }
}

void say_share(const LayoutCost& cost, const char* name, double seconds, const std::string& note) {
  log::say("  {:<14}{:>10.3f} ms {:>6.2f} %  {}", name, ms * seconds,
           percent_of_step(cost, seconds), note);
}

void say_step(const LayoutCost& cost, const Machine& machine) {
  const Simulation& s = cost.simulation;
  log::say(
      "\nstep            {:>10.3f} ms when many follow each other: {:.4g} tokens/s, MFU {:.1f} %",
      ms * s.step, cost.tokens_per_second(), 100 * cost.mfu(machine));
  say_share(cost, "computing", s.mean_compute(), "mean of all ranks");
  say_share(cost, "imbalance", s.imbalance(),
            fmt::format("what the busiest, rank {}, computes more than that", s.busiest()));
  say_share(cost, "communication", s.communication(),
            "what the busiest rank waits for messages and sums");
  const std::optional<double> theory = cost.idle_in_theory();
  say_share(cost, "bubble", s.bubble(),
            theory ? fmt::format("by formula, if all ranks were equal: {:.3f} ms", ms * *theory)
                   : "no formula for this schedule and so few micro-batches");
  log::say("one step alone  {:>10.3f} ms", ms * s.single);
}

/// Bytes that leave each rank for others.
std::vector<double> sent_by_rank(const LayoutCost& cost) {
  std::vector<double> sent(cost.plan.rows.size(), 0);
  for (const LinkTraffic& link : cost.simulation.traffic)
    sent[static_cast<std::size_t>(link.from)] += link.bytes;
  return sent;
}

void say_bytes(const LayoutCost& cost) {
  if (cost.simulation.traffic.empty()) return;
  const std::vector<double> sent = sent_by_rank(cost);
  const auto most = std::max_element(sent.begin(), sent.end());
  log::say(
      "sent a step     {:>10.3f} GB between the ranks of a pipeline, most by rank {}: {:.3f} GB",
      cost.simulation.bytes_sent() / GB, most - sent.begin(), *most / GB);
}

void say_memory_of(const LayoutCost& cost, const Machine& machine) {
  log::say(
      "memory          {:>10.3f} GB on the fullest rank, of {:.1f}{}",
      static_cast<double>(cost.most_bytes()) / GB, static_cast<double>(cost.limit(machine)) / GB,
      cost.fits(machine)
          ? ""
          : ": TOO MUCH; more ranks, zero = 1, shorter micro-batches or fewer in flight need less");
  const std::string again = recomputation_text(cost.training);
  if (!again.empty()) log::say("recomputed      {}", again);
}

std::string schedule_text(const LayoutCost& cost) {
  const ParallelSettings& p = cost.training.parallel;
  std::string text = p.schedule;
  if (p.virtual_stages > 1) text += fmt::format(" v {}", p.virtual_stages);
  if (p.in_flight > 0) text += fmt::format(" k {}", p.in_flight);
  if (!cost.training.recomputation.empty()) text += " r";
  return text;
}

constexpr auto sweep_columns =
    "{:<14} {:>4} {:>4} {:>2} {:>4} {:>4} {:<14} {:>11} {:>11} {:>6} {:>7} {:>7} {:>7} {:>8}";

void say_sweep_head() {
  log::line(fmt::format(sweep_columns, "rule", "dp", "pp", "z", "M", "seq", "schedule", "step ms",
                        "tokens/s", "MFU %", "bubble", "imbal.", "commun.", "GB"));
}

void say_sweep_row(const LayoutCost& cost, const Machine& machine) {
  const ParallelSettings& p = cost.training.parallel;
  const Simulation& s = cost.simulation;
  const auto share = [&](double seconds) {
    return fmt::format("{:.2f} %", percent_of_step(cost, seconds));
  };
  log::line(fmt::format(sweep_columns, cost.training.rule.name, p.dp, p.pp, p.zero, p.micro_batches,
                        cost.training.sequences, schedule_text(cost),
                        fmt::format("{:.3f}", ms * s.step),
                        fmt::format("{:.4g}", cost.tokens_per_second()),
                        fmt::format("{:.1f}", 100 * cost.mfu(machine)), share(s.bubble()),
                        share(s.imbalance()), share(s.communication()),
                        fmt::format("{:.2f}", static_cast<double>(cost.most_bytes()) / GB)));
}

double flops_of(const SweepResult& result) {
  return flops_per_token(result.best.front().training.shape, result.rule).total();
}

/// The best of both, by pipeline length where both have one.
void say_comparison(const SweepResult& base, const SweepResult& other) {
  log::say("\n{:>4} {:>14} {:>14} {:>8}", "pp", fmt::format("{} ms", base.rule.name),
           fmt::format("{} ms", other.rule.name), "ratio");
  for (const LayoutCost& a : base.by_pipeline)
    for (const LayoutCost& b : other.by_pipeline)
      if (a.training.parallel.pp == b.training.parallel.pp)
        log::say("{:>4} {:>14.3f} {:>14.3f} {:>8.3f}", a.training.parallel.pp,
                 ms * a.simulation.step, ms * b.simulation.step,
                 b.simulation.step / a.simulation.step);
  log::say("\nbest step of {} to that of {}: {:.3f}; exact FLOPs alone: {:.3f}", other.rule.name,
           base.rule.name, other.best.front().simulation.step / base.best.front().simulation.step,
           flops_of(other) / flops_of(base));
}

Json stage_json(const LayoutCost& cost, std::size_t s) {
  const StageTimes& t = cost.workload.times[s];
  return {{"stage", s},
          {"rank", cost.plan.rank_of[s]},
          {"blocks", cost.ranges[s].blocks()},
          {"has_head", cost.ranges[s].has_head},
          {"forward", t.forward},
          {"input", t.input},
          {"weight", t.weight},
          {"reduce", t.reduce},
          {"update", t.update},
          {"slots", cost.slots[s]},
          {"bytes", cost.stage_bytes[s]}};
}

Json rows_json(const std::vector<LayoutCost>& costs, const Machine& machine) {
  Json rows = Json::array();
  for (const LayoutCost& cost : costs) rows.push_back(layout_json(cost, machine));
  return rows;
}

}  // namespace

void say_layout(const LayoutCost& cost, const Machine& machine) {
  say_head(cost, machine);
  say_ties(cost);
  log::say("\nfrom the first step on, a column for each forward of the quickest stage");
  const auto quickest = std::min_element(
      cost.workload.times.begin(), cost.workload.times.end(),
      [](const StageTimes& a, const StageTimes& b) { return a.forward < b.forward; });
  std::string grid = time_grid(cost.plan, cost.simulation.events, quickest->forward);
  log::line(grid.erase(grid.find_last_not_of('\n') + 1));
  say_stages(cost);
  say_step(cost, machine);
  say_bytes(cost);
  say_memory_of(cost, machine);
}

Json layout_json(const LayoutCost& cost, const Machine& machine) {
  const ParallelSettings& p = cost.training.parallel;
  const Simulation& s = cost.simulation;
  Json stages = Json::array();
  for (std::size_t i = 0; i < cost.ranges.size(); ++i) stages.push_back(stage_json(cost, i));
  Json json = {{"rule", cost.training.rule.name},
               {"dp", p.dp},
               {"pp", p.pp},
               {"zero", p.zero},
               {"schedule", p.schedule},
               {"virtual_stages", p.virtual_stages},
               {"micro_batches", p.micro_batches},
               {"in_flight", p.in_flight},
               {"sequences", cost.training.sequences},
               {"clip", clip_word(cost)},
               {"step", s.step},
               {"single_step", s.single},
               {"computing", s.mean_compute()},
               {"imbalance", s.imbalance()},
               {"communication", s.communication()},
               {"bubble", s.bubble()},
               {"bubble_in_theory", nullptr},
               {"tokens_per_second", cost.tokens_per_second()},
               {"mfu", cost.mfu(machine)},
               {"bytes_sent", s.bytes_sent()},
               {"memory", cost.most_bytes()},
               {"fits", cost.fits(machine)},
               {"recomputed", recomputation_text(cost.training)},
               {"stages", stages}};
  if (const auto theory = cost.idle_in_theory()) json["bubble_in_theory"] = *theory;
  return json;
}

void say_sweep(const std::vector<SweepResult>& results, const Machine& machine) {
  log::say(
      "{}: {} ranks; z = zero, seq = sequences of a micro-batch, v = stages a rank, k = "
      "micro-batches in flight, r = activations are computed again",
      machine.name, machine.ranks());
  for (const SweepResult& result : results)
    log::say("{:<15} {} layouts tried, {} of them too large for {:.1f} GB", result.rule.name,
             result.tried, result.too_large, machine.memory_bytes / GB);
  log::say("");
  say_sweep_head();
  for (const SweepResult& result : results)
    for (const LayoutCost& cost : result.best) say_sweep_row(cost, machine);
  log::say("\nthe best for each number of ranks in a pipeline");
  say_sweep_head();
  for (const SweepResult& result : results)
    for (const LayoutCost& cost : result.by_pipeline) say_sweep_row(cost, machine);
  const bool all_fit = std::all_of(results.begin(), results.end(),
                                   [](const SweepResult& r) { return !r.best.empty(); });
  if (all_fit && results.size() == 2) say_comparison(results[0], results[1]);
}

Json sweep_json(const std::vector<SweepResult>& results, const Machine& machine) {
  Json json = {{"machine", machine.name}, {"ranks", machine.ranks()}};
  for (const SweepResult& result : results)
    json["rules"].push_back({{"rule", result.rule.name},
                             {"tried", result.tried},
                             {"too_large", result.too_large},
                             {"best", rows_json(result.best, machine)},
                             {"by_pipeline", rows_json(result.by_pipeline, machine)}});
  return json;
}

}  // namespace dfascale
