// What benches share: options, repeated timing of one operation, the machine that figures are of.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "deck/settings.hpp"
#include "kernels/gemm.hpp"
#include "train/peak.hpp"

namespace dfascale {

/// The deck that a bench is about, and where figures go.
struct DeckOptions {
  std::string deck, json;
  std::vector<std::string> overrides;
};
void add_deck_options(CLI::App& command, DeckOptions& options);
/// The deck as it is, or with the vocabulary of its corpus.  Collective.
Settings read_deck(const Comm& comm, const DeckOptions& options);
/// The peak of products at the deck's precision, and of its own shapes.
Peak peak_of(const Device& on, Gemm& gemm, const Settings& settings, double seconds);

/// Seconds of one call, over repetitions.
struct Timing {
  double median = 0, least = 0, most = 0;
  std::int64_t repetitions = 0;
};
/// The median is the middle one, or the mean of the two in the middle.  Of no values: zeros.
Timing timing_of(std::vector<double> seconds);

/// Calls the operation again and again for about `seconds`, five times at least, after one call to
/// warm up, and waits for the device each time; calls shorter than 50 us are timed in groups.
Timing time_operation(const Device& on, double seconds, const std::function<void()>& operation);

/// The machine, and what kernels and products run on, a line each.
void say_machine();
/// The beginning of a bench's JSON file: its name, the revision, and the same facts.
nlohmann::ordered_json bench_json(const std::string& bench);
nlohmann::ordered_json timing_json(const Timing& timing);

/// "112.6 GFLOP/s"
std::string gigaflops(double flops_per_second);

}  // namespace dfascale
