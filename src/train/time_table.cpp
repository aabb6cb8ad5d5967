#include "train/time_table.hpp"

#include "base/log.hpp"

namespace dfascale {

void say_times(const Comm& world, const ParallelLearner& model,
               const std::vector<std::pair<std::string, double>>& beside, double steps,
               double total) {
  std::vector<std::string> names;
  std::vector<double> seconds;
  double of_actions = 0, of_others = steps;
  for (std::size_t i = 0; i < spent_names.size(); ++i) {
    names.emplace_back(spent_names[i]);
    seconds.push_back(model.trace().seconds()[i]);
    of_actions += seconds.back();
  }
  names.emplace_back("rest of steps");
  seconds.push_back(steps - of_actions);
  for (const auto& [name, spent] : beside) {
    names.push_back(name);
    seconds.push_back(spent);
    of_others += spent;
  }
  names.emplace_back("start and records");
  seconds.push_back(total - of_others);

  const Grid& grid = model.grid();
  std::vector<double> all(seconds.size() * static_cast<std::size_t>(grid.pp), 0.0);
  for (std::size_t i = 0; i < seconds.size(); ++i)
    all[static_cast<std::size_t>(grid.place) * seconds.size() + i] = seconds[i] / grid.dp;
  world.sum_in_order(all);
  std::string head = fmt::format("{:<24}", "where the time went, s");
  for (int place = 0; place < grid.pp; ++place)
    head += fmt::format("{:>10}", fmt::format("rank {}", place));
  log::line(grid.pp > 1 ? head : "where the time went, s");
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    std::string row = fmt::format("  {:<22}", names[i]);
    for (std::size_t place = 0; place < static_cast<std::size_t>(grid.pp); ++place)
      row += fmt::format("{:>10.1f}", all[place * seconds.size() + i]);
    log::line(row);
  }
}

}  // namespace dfascale
