// What `dfascale bench schedule` prints: schedules, measured, beside the simulator and the
// formulae.
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "deck/words.hpp"
#include "io/files.hpp"
#include "tools/bench.hpp"
#include "tools/bench_figures.hpp"
#include "tools/schedule_bench.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;

std::string milliseconds(double seconds) { return fmt::format("{:.2f}", 1e3 * seconds); }

void print_schedules(const Comm& comm, const ScheduleBenchOptions& o,
                     const std::vector<ScheduleTimes>& all) {
  say_machine();
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
    write_atomically(file, json_text(json) + "\n", Folder::of_user);
  }
  return static_cast<int>(Exit::done);
}

}  // namespace

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

}  // namespace dfascale
