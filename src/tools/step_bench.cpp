#include "tools/step_bench.hpp"

#include <algorithm>
#include <fstream>
#include <numeric>

#include "base/clock.hpp"
#include "planning/memory_budget.hpp"
#include "tools/bench_figures.hpp"
#include "tools/made_up_steps.hpp"
#include "tools/memory.hpp"
#include "tools/operations.hpp"

namespace dfascale {
namespace {

/// Peak resident bytes since `forget`; Linux keeps it per process.
struct PeakResident {
  static void forget() { std::ofstream("/proc/self/clear_refs") << 5; }
  static std::int64_t bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      if (word != "VmHWM:") continue;
      std::int64_t kibibytes = 0;
      status >> kibibytes;
      return kibibytes * 1024;
    }
    return 0;
  }
};

/// Sums the profile's entries, kernels under their group's name.
std::map<std::string, Profile::Entry> grouped(const std::map<std::string, Profile::Entry>& found) {
  std::map<std::string, Profile::Entry> groups;
  for (const auto& [name, entry] : found) {
    Profile::Entry& sum = groups[group_of_kernel(name)];
    sum.calls += entry.calls;
    sum.seconds += entry.seconds;
  }
  return groups;
}

}  // namespace

double StepTimes::median() const { return timing_of(seconds).median; }

double StepTimes::mean() const {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
}

StepTimes time_steps(const Comm& comm, const Device& on, Gemm& gemm, const Settings& settings,
                     std::int64_t steps) {
  const Shape shape = shape_of(settings.model);
  StepTimes result{};
  result.rule = settings.run.method;
  result.flops = flops_per_token(shape, settings.rule);
  result.step_tokens = settings.step_tokens();
  const MemoryForecast memory = forecast_memory(comm, settings);
  result.predicted_bytes = bytes_of(memory.rows);
  result.recomputed = recomputation_text(memory.training);
  if (const std::string store = store_text(memory); !store.empty())
    result.recomputed += (result.recomputed.empty() ? "nothing; " : "; ") + store;
  PeakResident::forget();
  MadeUpSteps bench(comm, on, gemm, settings, memory.training);
  bench.step();
  if (on.has_graphs) bench.step();  // records what the first has run
  const double start = processor_seconds_now();
  for (std::int64_t i = 0; i < steps; ++i) result.seconds.push_back(bench.step());
  result.processor_seconds = (processor_seconds_now() - start) / static_cast<double>(steps);
  std::sort(result.seconds.begin(), result.seconds.end());
  // On a GPU nothing is given back before the end.
  result.peak_resident_bytes =
      device_memory_is_host() ? PeakResident::bytes() : device_bytes_in_use();
  const Profile profile(on, gemm, [&](const Product& p) { return purpose(p, shape); });
  result.profiled_seconds = bench.step();
  result.operations = grouped(profile.entries());
  return result;
}

}  // namespace dfascale
