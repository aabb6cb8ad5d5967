#include "pipeline/simulate.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace dfascale {
namespace {

/// When the last rank ends a step.
double end_of(const Execution& run, std::size_t step) {
  double end = 0;
  for (const auto& steps : run.ranks)
    if (step < steps.size()) end = std::max(end, steps[step].end);
  return end;
}

/// Means over the steps from `first` on.
RankShare share_of(const std::vector<Execution::StepTotals>& steps, std::size_t first) {
  RankShare share;
  for (std::size_t i = first; i < steps.size(); ++i) {
    share.compute += steps[i].computed();
    share.communication += steps[i].of(Pastime::communication);
    share.idle += steps[i].of(Pastime::idle);
  }
  const double count = static_cast<double>(steps.size() - first);
  return {share.compute / count, share.communication / count, share.idle / count};
}

std::vector<LinkTraffic> traffic_of(const Plan& plan, const MessageBytes& bytes) {
  std::map<std::pair<std::int32_t, std::int32_t>, double> sums;
  for (const std::vector<Action>& row : plan.rows)
    for (const Action& a : row) {
      if (!is_send(a.op)) continue;
      const std::int32_t from = plan.rank_of[static_cast<std::size_t>(a.stage)];
      const std::int32_t to = plan.rank_of[static_cast<std::size_t>(a.peer)];
      if (from != to) sums[{from, to}] += bytes.of(facts_of(a.op).cargo);
    }
  std::vector<LinkTraffic> traffic;
  traffic.reserve(sums.size());
  for (const auto& [link, sum] : sums) traffic.push_back({link.first, link.second, sum});
  return traffic;
}

}  // namespace

std::size_t Simulation::busiest() const {
  const auto most = std::max_element(
      ranks.begin(), ranks.end(),
      [](const RankShare& a, const RankShare& b) { return a.compute < b.compute; });
  return static_cast<std::size_t>(most - ranks.begin());
}

double Simulation::mean_compute() const {
  const double sum = std::accumulate(ranks.begin(), ranks.end(), 0.0,
                                     [](double s, const RankShare& r) { return s + r.compute; });
  return sum / static_cast<double>(ranks.size());
}

double Simulation::imbalance() const { return ranks[busiest()].compute - mean_compute(); }
double Simulation::communication() const { return ranks[busiest()].communication; }
double Simulation::bubble() const {
  // Where the busiest rank never waits, rounding may leave less than nothing.
  return std::max(0.0, step - ranks[busiest()].compute - ranks[busiest()].communication);
}

double Simulation::bytes_sent() const {
  return std::accumulate(traffic.begin(), traffic.end(), 0.0,
                         [](double s, const LinkTraffic& link) { return s + link.bytes; });
}

Simulation simulate(const Plan& plan, const std::vector<std::int32_t>& slots,
                    const Workload& workload, const SimulationOptions& options) {
  using Keep = ExecutionOptions::Keep;
  Execution run = execute(plan, {.steps = options.steps,
                                 .times = workload.times,
                                 .network = workload.network,
                                 .bytes = workload.bytes,
                                 .slots = slots,
                                 .keep = options.kept_steps > 0 ? Keep::events : Keep::totals});
  const auto steps = static_cast<std::size_t>(options.steps);
  const std::size_t first = steps / 2;
  Simulation result;
  result.single = end_of(run, 0);
  result.step = first == 0 ? result.single
                           : (end_of(run, steps - 1) - end_of(run, first - 1)) /
                                 static_cast<double>(steps - first);
  for (const auto& rank : run.ranks) result.ranks.push_back(share_of(rank, first));
  result.traffic = traffic_of(plan, workload.bytes);
  result.events = std::move(run.events);
  std::erase_if(result.events,
                [&](const Execution::Event& e) { return e.step >= options.kept_steps; });
  return result;
}

}  // namespace dfascale
