// Studies as tables: what will be run, and how far it is.
#include <fmt/format.h>

#include <algorithm>

#include "study/pack.hpp"
#include "study/runner.hpp"

namespace dfascale {
namespace {

std::size_t name_width(const Study& study) {
  std::size_t width = 3;
  for (const StudyRun& run : study.runs) width = std::max(width, run.name().size());
  return width;
}

std::vector<double> costs_of(const Study& study) {
  std::vector<double> costs;
  for (const StudyRun& run : study.runs) costs.push_back(run.flops);
  return costs;
}

}  // namespace

std::string plan_table(const Study& study) {
  const std::size_t width = name_width(study);
  const std::vector<double> costs = costs_of(study);
  std::string text =
      fmt::format("{:<{}}  {:>12}  {:>10}  {:>10}\n", "run", width, "tokens", "steps", "FLOP");
  std::vector<double> in_order;
  double total = 0;
  for (const std::int64_t number : longest_first(costs)) {
    const StudyRun& run = study.runs[static_cast<std::size_t>(number)];
    const Settings& s = run.settings;
    text += fmt::format("{:<{}}  {:>12}  {:>10}  {:>10.3e}\n", run.name(), width,
                        s.steps() * s.step_tokens(), s.steps(), run.flops);
    in_order.push_back(run.flops);
    total += run.flops;
  }
  const std::int64_t workers = workers_of(study);
  const double longest =
      time_to_finish(in_order, std::vector<double>(static_cast<std::size_t>(workers)));
  return text +
         fmt::format("{} runs, {:.3e} FLOP; {} at a time, {:.3e} FLOP for the busiest worker\n",
                     study.runs.size(), total, workers, longest);
}

std::string status_table(const Study& study) {
  const std::size_t width = name_width(study);
  std::string text = fmt::format("{:<{}}  {:<10}  {:>8}  {:>8}  {:>8}\n", "run", width, "state",
                                 "step", "of", "loss");
  std::int64_t done = 0;
  double spent = 0, total = 0;
  for (const StudyRun& run : study.runs) {
    const RunState state = state_of(run);
    text += fmt::format("{:<{}}  {:<10}  {:>8}  {:>8}  {:>8}\n", run.name(), width,
                        word(state.progress), state.step, run.settings.steps(),
                        state.val_loss ? fmt::format("{:.4f}", *state.val_loss) : "");
    done += state.progress == Progress::done;
    spent += state.flops;
    total += run.flops;
  }
  return text + fmt::format("{} of {} runs done, {:.0f} % of {:.3e} FLOP\n", done,
                            study.runs.size(), 100 * spent / total, total);
}

}  // namespace dfascale
