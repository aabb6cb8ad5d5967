// What `dfascale bench step` prints: how fast a training step is, what part of the hardware it
// uses, and where its time goes.
#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "deck/words.hpp"
#include "io/files.hpp"
#include "tools/bench.hpp"
#include "tools/bench_figures.hpp"
#include "tools/rule_table.hpp"
#include "tools/step_bench.hpp"
#include "train/learner.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;

struct StepOptions {
  DeckOptions on;
  std::string rule;
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

void print_what(const BenchReport& report) {
  say_machine();
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
  if (!t.recomputed.empty()) log::say("  recomputed    {}", t.recomputed);
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
          {"recomputed", t.recomputed},
          {"peak_resident_bytes", t.peak_resident_bytes},
          {"operations", parts}};
}

Json peak_json(const Peak& peak) {
  return {{"square_gemm", peak.square},
          {"step_shapes", peak.shapes},
          {"by_processor_time", peak.processor}};
}

void write_json(const BenchReport& report, const std::string& file) {
  const ModelSettings& m = report.settings.model;
  Json json = bench_json("step");
  json.update({{"ranks", report.ranks},
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
                 {"per_rank", report.peaks.best()}}}});
  json["rules"] = Json::array();
  for (const StepTimes& t : report.rules) json["rules"].push_back(rule_json(report, t));
  write_atomically(file, json_text(json) + "\n", Folder::of_user);
}

int bench_step(const StepOptions& options) {
  const Session session;
  BenchReport report{};
  report.settings = read_deck(session.comm(), options.on);
  report.ranks = session.comm().size();
  const Device device =
      report.settings.run.graphs ? session.device() : without_graphs(session.device());
  Gemm gemm(device);
  const auto measure = [&] { return peak_of(device, gemm, report.settings, options.peak_seconds); };
  print_what(report);
  warn_if_widened(report.settings.optim.precision);
  report.peaks.before = measure();
  for (const Settings& s : settings_of_rules(report.settings, options.rule))
    report.rules.push_back(time_steps(session.comm(), device, gemm, s, options.steps));
  report.peaks.after = measure();
  print_peaks(report.peaks);
  for (const StepTimes& times : report.rules) print_rule(report, times);
  print_ratios(report);
  if (!options.on.json.empty() && session.comm().rank() == 0) write_json(report, options.on.json);
  return static_cast<int>(Exit::done);
}

std::vector<std::string> rule_names() {
  std::vector<std::string> names{"all"};
  for (const NamedRule& named : compared_rules()) names.push_back(named.name);
  return names;
}

}  // namespace

void add_step(CLI::App& bench, Run& run) {
  const auto options = std::make_shared<StepOptions>();
  CLI::App* command = bench.add_subcommand(
      "step", "Time training steps of a deck on made-up tokens, and show where the time goes");
  add_deck_options(*command, options->on);
  command->add_option("--rule", options->rule, "Instead of the deck's rule: a preset, or all")
      ->check(CLI::IsMember(rule_names()));
  command->add_option("--steps", options->steps, "Timed steps, after warming up")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--peak-seconds", options->peak_seconds,
                   "For each of the two ways to measure the peak, before and after")
      ->check(between(0.0, 60.0))
      ->capture_default_str();
  command->footer(
      "Example, one core:\n"
      "  taskset -c 0 dfascale bench step inputs/57m.toml --rule all \\\n"
      "    --set optim.batch_sequences=4 --set parallel.micro_batches=1");
  command->callback([options, &run] { run = [options] { return bench_step(*options); }; });
}

}  // namespace dfascale
