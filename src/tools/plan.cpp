// dfascale plan: what a deck's layout will cost on a machine, or which layout is fastest there,
// without running anything.
#include <memory>
#include <sstream>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "deck/deck.hpp"
#include "deck/keys.hpp"
#include "io/files.hpp"
#include "pipeline/timeline.hpp"
#include "planning/costs.hpp"
#include "planning/machine.hpp"
#include "planning/sweep.hpp"
#include "tools/plan_report.hpp"
#include "tools/tools.hpp"
#include "train/corpus.hpp"

namespace dfascale {
namespace {

constexpr std::int32_t least_simulated = 6;

struct PlanOptions {
  std::string deck, machine, svg, trace;
  std::vector<std::string> overrides, machine_overrides, times;
  std::int32_t steps = 1;
  std::int64_t most_micro_batches = SweepLimits{}.micro_batches;
  bool sweep = false, json = false;
};

/// "20,15,15.5": milliseconds of forward, input and weight gradients.
StageTimes parse_times(const std::string& text) {
  std::istringstream in(text);
  double forward = 0, input = 0, weight = 0;
  char comma = 0, second_comma = 0;
  in >> forward >> comma >> input >> second_comma >> weight;
  const bool is_read = in && in.peek() == std::istringstream::traits_type::eof();
  if (!is_read || comma != ',' || second_comma != ',' || forward <= 0 || input < 0 || weight < 0)
    fail(Exit::usage,
         "--times {}: expected milliseconds of forward, input and weight gradients, such as "
         "20,15,15",
         text);
  StageTimes times;
  times.forward = forward / 1e3;
  times.input = input / 1e3;
  times.weight = weight / 1e3;
  return times;
}

/// Once for all stages, or once for each.
std::vector<StageTimes> given_times(const PlanOptions& options, const Training& training) {
  std::vector<StageTimes> times;
  for (const std::string& text : options.times) times.push_back(parse_times(text));
  const auto stages =
      static_cast<std::size_t>(training.parallel.pp * training.parallel.virtual_stages);
  if (times.size() == 1) times.resize(stages, times.front());
  if (!times.empty() && times.size() != stages)
    fail(Exit::usage,
         "--times was given {} times: expected once, or once for each of the {} stages",
         times.size(), stages);
  return times;
}

Settings read_settings(const PlanOptions& options, const Machine& machine) {
  Settings s = read_deck(options.deck, options.overrides);
  const std::int64_t dp = s.parallel.dp > 0
                              ? s.parallel.dp
                              : std::max<std::int64_t>(machine.ranks() / s.parallel.pp, 1);
  // A sweep chooses layouts itself: the deck's own is of no account.
  if (!options.sweep) resolve_layout(s, dp * s.parallel.pp);
  resolve_vocabulary(s);
  return s;
}

void write_pictures(const PlanOptions& options, const LayoutCost& cost) {
  if (own_rank() != 0) return;
  const std::vector<Execution::Event>& events = cost.simulation.events;
  if (!options.svg.empty())
    write_atomically(options.svg,
                     timeline_svg(events, cost.plan.rows.size(),
                                  fmt::format("{}, {}: {} of {} micro-batches", options.deck,
                                              cost.training.rule.name, cost.plan.schedule,
                                              cost.plan.micro_batches)),
                     Folder::of_user);
  if (!options.trace.empty())
    write_atomically(options.trace, timeline_trace(events), Folder::of_user);
}

int plan_one(const PlanOptions& options, const Settings& settings, const Machine& machine) {
  const Training training = Training::of(settings);
  if (training.parallel.dp * training.parallel.pp > machine.ranks())
    fail(Exit::usage,
         "parallel.dp * parallel.pp = {} * {}: more than the {} ranks of {} ({}); set fewer, or "
         "nodes and ranks_per_node with --machine-set",
         training.parallel.dp, training.parallel.pp, machine.ranks(), options.machine,
         machine.name);
  StageMemory memory;
  const SimulationOptions simulation{.steps = std::max(least_simulated, options.steps),
                                     .kept_steps = options.steps};
  LayoutCost cost = plan_layout(training, machine, settings.run.memory);
  add_memory(cost, memory, machine);
  if (!options.times.empty()) cost.workload.times = given_times(options, training);
  add_simulation(cost, simulation);
  write_pictures(options, cost);
  if (options.json) log::line(json_text(layout_json(cost, machine)));
  else say_layout(cost, machine);
  return static_cast<int>(Exit::done);
}

int plan_sweep(const PlanOptions& options, const Settings& settings, const Machine& machine) {
  if (!options.svg.empty() || !options.trace.empty() || !options.times.empty())
    fail(Exit::usage, "--sweep: --svg, --trace and --times are for one layout; leave them out");
  const Rule& bp = *find_rule("bp");
  const Rule other = settings.rule.inner == Credit::chain ? *find_rule("dfa") : settings.rule;
  std::vector<SweepResult> results;
  for (const Rule& rule : {bp, other})
    results.push_back(
        sweep(settings, rule, machine, {.micro_batches = options.most_micro_batches}));
  if (options.json) log::line(json_text(sweep_json(results, machine)));
  else say_sweep(results, machine);
  return static_cast<int>(Exit::done);
}

int plan(const PlanOptions& options) {
  const Session session(Uses::ranks);
  const Machine machine = read_machine(options.machine, options.machine_overrides);
  const Settings settings = read_settings(options, machine);
  return options.sweep ? plan_sweep(options, settings, machine)
                       : plan_one(options, settings, machine);
}

void add_options(CLI::App& command, PlanOptions& options) {
  command.add_option("DECK", options.deck, "The training")->required();
  command
      .add_option("--machine", options.machine, "A machine's figures (TOML, see inputs/machines)")
      ->required();
  command
      .add_option("--machine-set", options.machine_overrides,
                  "key=value, wins over the machine's file; repeatable")
      ->allow_extra_args(false);
  command
      .add_option("--set", options.overrides, "section.key=value, wins over the deck; repeatable")
      ->allow_extra_args(false);
  command
      .add_option("--times", options.times,
                  "Milliseconds of a stage's forward, input and weight gradients, as measured: "
                  "20,15,15; for all stages, or repeated, one for each")
      ->allow_extra_args(false);
  command.add_flag(
      "--sweep", options.sweep,
      "Try replicas, pipelines, micro-batches and schedules, for bp and for the deck's "
      "rule (dfa, if that is bp)");
  command
      .add_option("--most-micro-batches", options.most_micro_batches,
                  "Most micro-batches of a replica and step that a sweep tries")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 14))
      ->capture_default_str();
  command.add_option("--steps", options.steps, "Steps that the pictures show")
      ->check(CLI::Range(1, 1000));
  command.add_option("--svg", options.svg, "Write the timeline as a picture");
  command.add_option("--trace", options.trace, "Write it for chrome://tracing or Perfetto");
  command.add_flag("--json", options.json, "Print JSON");
}

}  // namespace

void add_plan(CLI::App& app, Run& run) {
  const auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand(
      "plan",
      "What a layout costs on a machine: step time, bubble, memory, messages; or the best one");
  add_options(*command, *options);
  command->footer(
      "Examples:\n"
      "  dfascale plan inputs/509m.toml --machine inputs/machines/h100-64x8.toml \\\n"
      "    --set parallel.pp=8 --set parallel.micro_batches=8 --svg plan.svg\n"
      "  dfascale plan inputs/509m.toml --machine inputs/machines/h100-64x8.toml --sweep \\\n"
      "    --set optim.clip=block");
  command->callback([options, &run] { run = [options] { return plan(*options); }; });
}

}  // namespace dfascale
