// Studies as tables: what will be run, and how far it is.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "study/pack.hpp"
#include "study/runner.hpp"

namespace dfascale {
namespace {

std::vector<StudyRun> all_runs(const Study& study) {
  std::vector<StudyRun> runs = study.runs;
  for (const Search& search : study.searches) {
    const auto never = [](const StudyRun&) { return std::optional<double>(); };
    for (StudyRun& run : explore(search, never).candidates) runs.push_back(std::move(run));
  }
  return runs;
}

template <class Rows, class Name>
std::size_t width_of(const Rows& rows, const Name& name) {
  std::size_t width = 3;
  for (const auto& row : rows) width = std::max(width, name(row).size());
  return width;
}

std::string label(const Job& job) {
  return (job.part == Job::Part::candidate ? "search/" : "") + job.run.name();
}

std::string state_word(const Job& job) {
  return job.is_open ? "searching" : std::string(word(job.state.progress));
}

std::string row_of(const Job& job, const Rates& rates, std::size_t width) {
  const auto& [run, state, part, is_open] = job;
  const auto left = rates.seconds_left(run, state);
  const bool has_ended = state.has_ended();
  return fmt::format("{:<{}}  {:<10}  {:>8}  {:>8}  {:>8}  {:>7}  {}\n", label(job), width,
                     state_word(job), state.step, run.settings.steps(),
                     state.val_loss ? fmt::format("{:.4f}", *state.val_loss) : "",
                     has_ended || !left ? "" : duration(*left), state.note);
}

std::string search_rows(const Study& study, const Agenda& agenda) {
  std::string text;
  for (std::size_t i = 0; i < study.searches.size(); ++i) {
    const Search& search = study.searches[i];
    const Exploration& found = agenda.searches()[i];
    text += fmt::format("search {}: ", search.name);
    if (found.best)
      text += fmt::format("{}, the best of {} by validation loss {:.4f}\n",
                          describe(search, *found.best), found.candidates.size(), found.loss);
    else
      text += found.is_hopeless ? "every run diverged\n"
                                : fmt::format("{} runs so far\n", found.candidates.size());
  }
  return text;
}

}  // namespace

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "unknown";
  const auto s = static_cast<std::int64_t>(std::max(0.0, std::round(seconds)));
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}m{:02}s", s / 60, s % 60);
}

std::string plan_table(const Study& study, const Rates& rates) {
  const std::vector<StudyRun> runs = all_runs(study);
  const std::size_t width = width_of(runs, [](const StudyRun& run) { return run.name(); });
  std::string text = fmt::format("{:<{}}  {:>12}  {:>10}  {:>10}  {:>8}\n", "run", width, "tokens",
                                 "steps", "FLOP", "time");
  std::vector<double> costs;
  double total = 0;
  for (const StudyRun& run : runs) {
    costs.push_back(rates.seconds_left(run, {}).value_or(run.flops));
    total += run.flops;
  }
  std::vector<double> in_order;
  bool has_times = true;
  for (const std::int64_t number : longest_first(costs)) {
    const StudyRun& run = runs[static_cast<std::size_t>(number)];
    const Settings& s = run.settings;
    const auto seconds = rates.seconds_left(run, {});
    has_times = has_times && seconds;
    text += fmt::format("{:<{}}  {:>12}  {:>10}  {:>10.3e}  {:>8}\n", run.name(), width,
                        s.steps() * s.step_tokens(), s.steps(), run.flops,
                        seconds ? duration(*seconds) : "");
    in_order.push_back(costs[static_cast<std::size_t>(number)]);
  }
  const std::int64_t workers = workers_of(study);
  const double longest =
      time_to_finish(in_order, std::vector<double>(static_cast<std::size_t>(workers)));
  text += fmt::format("{} runs, {:.3e} FLOP; {} at a time, {} for the busiest worker\n",
                      runs.size(), total, workers,
                      has_times ? duration(longest) : fmt::format("{:.3e} FLOP", longest));
  if (!study.searches.empty())
    text += fmt::format(
        "{} searches; one whose best value is at an edge of its grid takes more "
        "runs\n",
        study.searches.size());
  return text;
}

std::string status_table(const Study& study) {
  const Agenda agenda(study);
  const Rates rates = measured_rates(study);
  const std::vector<Job>& jobs = agenda.jobs();
  const std::size_t width = width_of(jobs, label);
  std::string text = fmt::format("{:<{}}  {:<10}  {:>8}  {:>8}  {:>8}  {:>7}\n", "run", width,
                                 "state", "step", "of", "loss", "left");
  double spent = 0, total = 0;
  std::vector<double> left;
  for (const Job& job : jobs) {
    text += row_of(job, rates, width);
    spent += job.state.has_ended() ? job.run.flops : job.state.flops;
    total += job.run.flops;
    left.push_back(rates.seconds_left(job.run, job.state).value_or(INFINITY));
  }
  text += search_rows(study, agenda);
  std::ranges::sort(left, std::greater());
  const std::vector<double> workers(static_cast<std::size_t>(workers_of(study)));
  return text + fmt::format(
                    "{} of {} runs done, {:.0f} % of {:.3e} FLOP; {} workers would take "
                    "{} for the rest\n",
                    agenda.count(Progress::done) + agenda.count(Progress::diverged), jobs.size(),
                    100 * spent / total, total, workers.size(),
                    duration(time_to_finish(left, workers)));
}

}  // namespace dfascale
