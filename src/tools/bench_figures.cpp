#include "tools/bench_figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "io/run_folder.hpp"
#include "tools/tools.hpp"
#include "train/corpus.hpp"
#include "train/learner.hpp"

namespace dfascale {

void add_deck_options(CLI::App& command, DeckOptions& options) {
  command.add_option("DECK", options.deck, "The deck; it needs no data if model.vocab is set")
      ->required();
  command
      .add_option("--set", options.overrides, "section.key=value, wins over the deck; repeatable")
      ->allow_extra_args(false);
  command.add_option("--json", options.json, "Also write the figures to this file");
}

Settings read_deck(const Comm& comm, const DeckOptions& options) {
  Settings settings = read_deck_on_all(comm, options.deck, options.overrides);
  resolve_vocabulary(settings);
  return settings;
}

Peak peak_of(const Device& on, Gemm& gemm, const Settings& settings, double seconds) {
  return measure_peak(on, gemm, shape_of(settings.model), settings.micro_batch_sequences(),
                      settings.optim.precision, seconds);
}

Timing timing_of(std::vector<double> seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  const std::size_t n = seconds.size();
  const double median = (seconds[(n - 1) / 2] + seconds[n / 2]) / 2;
  return {median, seconds.front(), seconds.back(), static_cast<std::int64_t>(n)};
}

Timing time_operation(const Device& on, double seconds, const std::function<void()>& operation) {
  constexpr double shortest = 50e-6;
  constexpr std::size_t fewest = 5, most = 1000;
  const auto time_calls = [&](std::int64_t calls) {
    const double start = seconds_now();
    for (std::int64_t i = 0; i < calls; ++i) operation();
    fence(on);
    return (seconds_now() - start) / static_cast<double>(calls);
  };
  time_calls(1);
  const auto calls = static_cast<std::int64_t>(std::ceil(shortest / std::max(time_calls(1), 1e-9)));
  std::vector<double> times;
  for (const double end = seconds_now() + seconds;
       times.size() < fewest || (times.size() < most && seconds_now() < end);)
    times.push_back(time_calls(calls));
  return timing_of(std::move(times));
}

void say_machine() {
  for (const auto& [name, value] : machine_facts()) log::say("{:<16}{}", name, value);
  log::say("{:<16}{}", "kernels", backend_name());
  log::say("{:<16}{}", "products", Gemm::library());
}

nlohmann::ordered_json bench_json(const std::string& bench) {
  nlohmann::ordered_json machine;
  for (const auto& [name, value] : machine_facts()) machine[name] = value;
  return {{"bench", bench},
          {"revision", git_revision()},
          {"machine", machine},
          {"kernels", backend_name()},
          {"products", Gemm::library()}};
}

nlohmann::ordered_json timing_json(const Timing& t) {
  return {{"median_seconds", t.median},
          {"least_seconds", t.least},
          {"most_seconds", t.most},
          {"repetitions", t.repetitions}};
}

std::string gigaflops(double flops_per_second) {
  return fmt::format("{:.1f} GFLOP/s", flops_per_second / 1e9);
}

}  // namespace dfascale
