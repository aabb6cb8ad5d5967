// dfascale bench step: how fast a training step is, what part of the hardware it uses, and where
// its time goes.
#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "comm/session.hpp"
#include "deck/words.hpp"
#include "io/files.hpp"
#include "io/run_folder.hpp"
#include "tools/io_bench.hpp"
#include "tools/rule_table.hpp"
#include "tools/schedule_bench.hpp"
#include "tools/step_bench.hpp"
#include "tools/tools.hpp"
#include "train/corpus.hpp"
#include "train/learner.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;

struct BenchOptions {
  std::string deck, rule, json;
  std::vector<std::string> overrides;
  std::int64_t steps = 5;
  double peak_seconds = 1;
};

/// FLOP/s of one rank, measured before and after the steps: a machine that others use, or that
/// slows down when warm, shows.
struct Peaks {
  Peak before, after;
  double best() const { return std::max(before.best(), after.best()); }
  double processor() const { return std::max(before.processor, after.processor); }
};

struct BenchReport {
  Settings settings;
  int ranks;
  Peaks peaks;
  std::vector<StepTimes> rules;

  double mfu(const StepTimes& times, double seconds) const {
    return static_cast<double>(times.step_tokens) * times.flops.total() / seconds /
           (peaks.best() * ranks);
  }
  /// Step and peak both by processor time: what remains meaningful while others use the core.
  double processor_mfu(const StepTimes& times) const {
    return static_cast<double>(times.step_tokens) * times.flops.total() / times.processor_seconds /
           (peaks.processor() * ranks);
  }
};

/// The deck's own rule, or the one asked for, or all that are compared.
std::vector<Settings> settings_of_rules(const Settings& settings, const std::string& asked) {
  if (asked.empty()) return {settings};
  std::vector<Settings> found;
  for (const NamedRule& named : compared_rules()) {
    if (asked != "all" && asked != named.name) continue;
    found.push_back(settings);
    found.back().rule = named.rule;
    found.back().run.method = named.name;
  }
  return found;
}

std::string gigaflops(double flops_per_second) {
  return fmt::format("{:.1f} GFLOP/s", flops_per_second / 1e9);
}

void print_machine(const BenchReport& report) {
  for (const auto& [name, value] : machine_facts()) log::say("{:<16}{}", name, value);
  log::say("{:<16}{}", "kernels", backend_name());
  log::say("{:<16}{}", "products", Gemm::library());
  const Settings& s = report.settings;
  log::say(
      "{:<16}{} x {}, vocabulary {}, context {}; {} rank(s), {} micro-batch(es) of {} sequences, "
      "{}",
      "step", s.model.layers, s.model.width, s.model.vocab, s.model.context, report.ranks,
      s.parallel.micro_batches, s.micro_batch_sequences(), word(s.optim.precision));
}

void print_peaks(const Peaks& peaks) {
  const auto row = [](const char* what, const Peak& peak) {
    log::say("{:<16}square {} {}, the step's shapes {} (by processor time {})", what, peak.side,
             gigaflops(peak.square), gigaflops(peak.shapes), gigaflops(peak.processor));
  };
  row("peak before", peaks.before);
  row("peak after", peaks.after);
}

/// Parts of the profiled step, largest first; what is in no kernel and no product last.
std::vector<std::pair<std::string, Profile::Entry>> parts_of(const StepTimes& times) {
  std::vector<std::pair<std::string, Profile::Entry>> parts(times.operations.begin(),
                                                            times.operations.end());
  std::sort(parts.begin(), parts.end(),
            [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  double sum = 0;
  for (const auto& part : parts) sum += part.second.seconds;
  parts.push_back({"host work between them", {1, times.profiled_seconds - sum}});
  return parts;
}

void print_rule(const BenchReport& report, const StepTimes& t) {
  log::say("\n{}", t.rule);
  log::say(
      "  step seconds  median {:.4f}, min {:.4f}, max {:.4f} of {}; processor time {:.4f} ({:.0f} "
      "%)",
      t.median(), t.seconds.front(), t.seconds.back(), t.seconds.size(), t.processor_seconds,
      100 * t.processor_share());
  log::say("  speed         {:.0f} tokens/s, {} exact", t.tokens_per_second(),
           gigaflops(t.flops_per_second()));
  log::say("  MFU           {:.1f} % (best step {:.1f} %; by processor time {:.1f} %)",
           100 * report.mfu(t, t.median()), 100 * report.mfu(t, t.seconds.front()),
           100 * report.processor_mfu(t));
  log::say(
      "  memory        predicted {:.1f} MB, peak resident {:.1f} MB ({:+.1f} %)",
      static_cast<double>(t.predicted_bytes) / 1e6,
      static_cast<double>(t.peak_resident_bytes) / 1e6,
      100 * (static_cast<double>(t.predicted_bytes) / static_cast<double>(t.peak_resident_bytes) -
             1));
  log::say("  {:<28}{:>8}{:>10}{:>8}", "operation", "calls", "seconds", "share");
  for (const auto& [name, entry] : parts_of(t))
    log::say("  {:<28}{:>8}{:>10.4f}{:>7.1f}%", name, entry.calls, entry.seconds,
             100 * entry.seconds / t.profiled_seconds);
}

void print_ratios(const BenchReport& report) {
  if (report.rules.size() < 2) return;
  const StepTimes& bp = report.rules.front();
  log::say("\nratios to bp: wall time (median), processor time (mean), exact FLOP");
  log::say("{:<20}{:>10}{:>8}{:>10}{:>10}{:>10}", "rule", "seconds", "MFU", "wall", "processor",
           "FLOP");
  for (const StepTimes& t : report.rules)
    log::say("{:<20}{:>10.4f}{:>7.1f}%{:>10.3f}{:>10.3f}{:>10.3f}", t.rule, t.median(),
             100 * report.mfu(t, t.median()), t.median() / bp.median(),
             t.processor_seconds / bp.processor_seconds, t.flops.total() / bp.flops.total());
}

Json rule_json(const BenchReport& report, const StepTimes& t) {
  Json parts = Json::array();
  for (const auto& [name, entry] : parts_of(t))
    parts.push_back({{"operation", name},
                     {"calls", entry.calls},
                     {"seconds", entry.seconds},
                     {"share", entry.seconds / t.profiled_seconds}});
  return {{"rule", t.rule},
          {"flops_per_token", t.flops.total()},
          {"step_tokens", t.step_tokens},
          {"step_seconds", t.seconds},
          {"median_seconds", t.median()},
          {"processor_seconds", t.processor_seconds},
          {"tokens_per_second", t.tokens_per_second()},
          {"flops_per_second", t.flops_per_second()},
          {"mfu", report.mfu(t, t.median())},
          {"mfu_processor_time", report.processor_mfu(t)},
          {"mfu_best_step", report.mfu(t, t.seconds.front())},
          {"predicted_bytes", t.predicted_bytes},
          {"peak_resident_bytes", t.peak_resident_bytes},
          {"operations", parts}};
}

Json peak_json(const Peak& peak) {
  return {{"square_gemm", peak.square},
          {"step_shapes", peak.shapes},
          {"by_processor_time", peak.processor}};
}

void write_json(const BenchReport& report, const std::string& file) {
  Json machine;
  for (const auto& [name, value] : machine_facts()) machine[name] = value;
  const ModelSettings& m = report.settings.model;
  Json json = {{"bench", "step"},
               {"revision", git_revision()},
               {"machine", machine},
               {"kernels", backend_name()},
               {"products", Gemm::library()},
               {"ranks", report.ranks},
               {"model",
                {{"layers", m.layers},
                 {"width", m.width},
                 {"heads", m.heads},
                 {"context", m.context},
                 {"vocab", m.vocab}}},
               {"precision", word(report.settings.optim.precision)},
               {"micro_batches", report.settings.parallel.micro_batches},
               {"micro_batch_sequences", report.settings.micro_batch_sequences()},
               {"peak_flops",
                {{"before", peak_json(report.peaks.before)},
                 {"after", peak_json(report.peaks.after)},
                 {"per_rank", report.peaks.best()}}}};
  json["rules"] = Json::array();
  for (const StepTimes& t : report.rules) json["rules"].push_back(rule_json(report, t));
  write_atomically(file, json.dump(2) + "\n");
}

int bench_step(const BenchOptions& options) {
  const Session session;
  BenchReport report{};
  report.settings = read_deck_on_all(session.comm(), options.deck, options.overrides);
  resolve_vocabulary(report.settings);
  report.ranks = session.comm().size();
  const Device device;
  Gemm gemm(device);
  const auto measure = [&] {
    return measure_peak(device, gemm, shape_of(report.settings.model),
                        report.settings.micro_batch_sequences(), report.settings.optim.precision,
                        options.peak_seconds);
  };
  print_machine(report);
  warn_if_widened(report.settings.optim.precision);
  report.peaks.before = measure();
  for (const Settings& s : settings_of_rules(report.settings, options.rule))
    report.rules.push_back(time_steps(session.comm(), device, gemm, s, options.steps));
  report.peaks.after = measure();
  print_peaks(report.peaks);
  for (const StepTimes& times : report.rules) print_rule(report, times);
  print_ratios(report);
  if (!options.json.empty() && session.comm().rank() == 0) write_json(report, options.json);
  return static_cast<int>(Exit::done);
}

std::vector<std::string> rule_names() {
  std::vector<std::string> names{"all"};
  for (const NamedRule& named : compared_rules()) names.push_back(named.name);
  return names;
}

void add_step(CLI::App& bench, Run& run) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* command = bench.add_subcommand(
      "step", "Time training steps of a deck on made-up tokens, and show where the time goes");
  command->add_option("DECK", options->deck, "The deck; it needs no data if model.vocab is set")
      ->required();
  command
      ->add_option("--set", options->overrides, "section.key=value, wins over the deck; repeatable")
      ->allow_extra_args(false);
  command->add_option("--rule", options->rule, "Instead of the deck's rule: a preset, or all")
      ->check(CLI::IsMember(rule_names()));
  command->add_option("--steps", options->steps, "Timed steps, after one to warm up")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--peak-seconds", options->peak_seconds,
                   "For each of the two ways to measure the peak, before and after")
      ->check(between(0.0, 60.0))
      ->capture_default_str();
  command->add_option("--json", options->json, "Also write the figures to this file");
  command->footer(
      "Example, one core:\n"
      "  taskset -c 0 dfascale bench step inputs/57m.toml --rule all \\\n"
      "    --set optim.batch_sequences=4 --set parallel.micro_batches=1");
  command->callback([options, &run] { run = [options] { return bench_step(*options); }; });
}

std::string milliseconds(double seconds) { return fmt::format("{:.2f}", 1e3 * seconds); }

void print_schedules(const Comm& comm, const ScheduleBenchOptions& o,
                     const std::vector<ScheduleTimes>& all) {
  for (const auto& [name, value] : machine_facts()) log::say("{:<16}{}", name, value);
  log::say(
      "{} ranks, {} micro-batches, forward {} ms, backward {} + {} ms, messages of {} bytes, clip "
      "{}; waiting in place of computing, {} steps in the steady state",
      comm.size(), o.micro_batches, milliseconds(o.forward), milliseconds(o.input),
      milliseconds(o.weight), o.message_bytes, word(o.clip), o.steps);
  log::say(
      "milliseconds of a step; memory in activations of a rank; the engine's own microseconds");
  log::say("{:<13}{:<5}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}{:>8}", "schedule", "rule",
           "in flight", "measured", "simulated", "idle", "simulated", "theory", "idle %", "memory",
           "us/act.");
  for (const ScheduleTimes& t : all)
    log::say("{:<13}{:<5}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>8.2f}%{:>9.1f}{:>8.1f}", t.schedule,
             t.rule, t.in_flight > 0 ? std::to_string(t.in_flight) : "-", milliseconds(t.measured),
             milliseconds(t.simulated), milliseconds(t.idle_measured()),
             milliseconds(t.idle_simulated()), t.idle_theory ? milliseconds(*t.idle_theory) : "-",
             100 * t.idle_measured() / t.measured, t.most_in_memory, 1e6 * t.overhead_per_action);
}

Json schedule_json(const ScheduleTimes& t) {
  Json json = {
      {"schedule", t.schedule},         {"rule", t.rule},
      {"in_flight", t.in_flight},       {"compute_seconds", t.compute},
      {"measured_seconds", t.measured}, {"simulated_seconds", t.simulated},
      {"memory", t.most_in_memory},     {"overhead_seconds_per_action", t.overhead_per_action},
      {"bytes_sent", t.bytes_sent}};
  if (t.idle_theory) json["idle_theory_seconds"] = *t.idle_theory;
  return json;
}

int bench_schedule(const ScheduleBenchOptions& options, const std::string& file) {
  const Session session;
  const std::vector<ScheduleTimes> all = time_schedules(session.comm(), options);
  print_schedules(session.comm(), options, all);
  if (!file.empty() && session.comm().rank() == 0) {
    Json json = Json::array();
    for (const ScheduleTimes& times : all) json.push_back(schedule_json(times));
    write_atomically(file, json.dump(2) + "\n");
  }
  return static_cast<int>(Exit::done);
}

void add_schedule(CLI::App& bench, Run& run) {
  const auto options = std::make_shared<ScheduleBenchOptions>();
  const auto file = std::make_shared<std::string>();
  CLI::App* command = bench.add_subcommand(
      "schedule",
      "Time schedules on the ranks that are running, with real messages and waiting in place of "
      "computing, beside the simulator and the formulae");
  command->add_option("--schedule", options->schedules, "Only this schedule; repeatable")
      ->check(CLI::IsMember(schedule_names()))
      ->allow_extra_args(false);
  const auto count = [&](const char* name, std::int64_t& at, const char* help, std::int64_t least) {
    command->add_option(name, at, help)
        ->check(CLI::Range(least, most_counted))
        ->capture_default_str();
  };
  count("--micro-batches", options->micro_batches, "M, of each step", 1);
  count("--in-flight", options->in_flight, "Limit of unlocked; 0: as many as ranks", 0);
  count("--virtual-stages", options->virtual_stages, "Stages of a rank, for interleaved", 1);
  count("--steps", options->steps, "Timed steps, after two to warm up", 1);
  count("--message-bytes", options->message_bytes, "Of every message", 4);
  const auto seconds = [&](const char* name, double& at, const char* help) {
    command->add_option(name, at, help)->check(CLI::Range(0.0, 10.0))->capture_default_str();
  };
  seconds("--forward", options->forward, "Seconds of a micro-batch's forward on a rank");
  seconds("--input", options->input, "Seconds of its input gradients");
  seconds("--weight", options->weight, "Seconds of its weight gradients");
  command->add_flag_callback(
      "--clip-global", [options] { options->clip = Clip::global; },
      "clip = global: norms of all stages meet at the end of each step");
  command->add_option("--json", *file, "Also write the figures to this file");
  command->footer(
      "Example, eight stages on any machine:\n"
      "  mpirun -n 8 --oversubscribe --mca mpi_yield_when_idle 1 dfascale bench schedule");
  command->callback(
      [options, file, &run] { run = [options, file] { return bench_schedule(*options, *file); }; });
}

}  // namespace

void add_bench(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("bench", "Measure speed");
  command->require_subcommand(1);
  add_io(*command, run);
  add_schedule(*command, run);
  add_step(*command, run);
}

}  // namespace dfascale
