#include "study/rates.hpp"

#include <algorithm>

namespace dfascale {
namespace {

constexpr double start_seconds = 0.5;  ///< of a process, its data and its checkpoint

}  // namespace

void Rates::add(const StudyRun& run, const RunState& state) {
  if (!(state.seconds > 0) || !(state.flops > 0)) return;
  const std::string &method = run.settings.run.method, &size = run.size;
  using Name = std::pair<std::string, std::string>;
  for (const Name& name : {Name{method, size}, Name{method, ""}, Name{"", size}, Name{"", ""}}) {
    sums_[name].flops += state.flops;
    sums_[name].seconds += state.seconds;
  }
}

std::optional<double> Rates::of(const StudyRun& run) const {
  const std::string &method = run.settings.run.method, &size = run.size;
  using Name = std::pair<std::string, std::string>;
  for (const Name& name : {Name{method, size}, Name{method, ""}, Name{"", size}, Name{"", ""}})
    if (const auto found = sums_.find(name); found != sums_.end())
      return found->second.flops / found->second.seconds;
  return std::nullopt;
}

std::optional<double> Rates::seconds_left(const StudyRun& run, const RunState& state) const {
  if (state.has_ended()) return 0;
  const auto rate = of(run);
  if (!rate) return std::nullopt;
  const double share = run.flops > 0 ? std::max(0.0, 1 - state.flops / run.flops) : 0;
  const double start = start_seconds + 2 * run.settings.run.peak_seconds;
  return share * (run.flops + run.passes) / *rate + (state.step == 0 ? start : 0);
}

}  // namespace dfascale
