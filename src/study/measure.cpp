// Rates before a study runs: a few steps of every size and rule.
#include <set>

#include "study/runner.hpp"

namespace dfascale {
namespace {

constexpr std::int64_t measured_steps = 12;

}  // namespace

Study measuring_study(const Study& study) {
  Study few{study.name + " (measuring)", study.dir + "/measure", study.workers, {}, {}};
  std::set<std::string> names;
  for (StudyRun run : study.runs) {
    Settings& s = run.settings;
    s.run.name = s.run.method + "-" + run.size;
    if (!names.insert(s.run.name).second) continue;
    s.run.dir = few.runs_folder();
    s.run.peak_seconds = 0;
    s.run.validate_points = 0;
    s.run.alignment_steps = 0;
    s.run.checkpoint_steps = 0;
    s.data.valid_sequences = 1;
    s.optim.tokens = std::min(s.optim.tokens, measured_steps * s.step_tokens());
    s.optim.warmup_tokens = 0;
    run.search.reset();
    few.runs.push_back(std::move(run));
  }
  return few;
}

Rates measured_rates(const Study& study) {
  Rates rates = Agenda(study).rates();
  for (StudyRun& run : measuring_study(study).runs) rates.add(run, state_of(run));
  return rates;
}

}  // namespace dfascale
