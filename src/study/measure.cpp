// Rates before a study runs: a few steps of every size and rule, in a folder of the program's own.
#include <filesystem>
#include <set>

#include "io/run_folder.hpp"
#include "study/runner.hpp"

namespace dfascale {
namespace {

constexpr std::int64_t measured_steps = 12;
constexpr const char* mark_name = "/made-by-study-measure";  // in folders that may be begun anew

bool is_empty(const std::string& folder) {
  std::error_code reason;
  return std::filesystem::is_empty(folder, reason) && !reason;
}

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

void begin_measuring(const Study& few) {
  const std::string mark = few.dir + mark_name;
  if (exists(few.dir) && !exists(mark) && !is_empty(few.dir))
    fail(Exit::checkpoint,
         "{}: --measure trains in this folder, but did not make it, and changes nothing there; "
         "move it elsewhere, or choose another study.dir",
         few.dir);
  make_folder(few.dir);
  write_atomically(mark, "dfascale study --measure trains here, anew each time.\n");
  const StudyLock alone(few.dir, Sharing::alone);
  for (const StudyRun& run : few.runs) remove_run(run.folder());
}

Rates measured_rates(const Study& study) {
  Rates rates = Agenda(study).rates();
  for (StudyRun& run : measuring_study(study).runs) rates.add(run, state_of(run));
  return rates;
}

}  // namespace dfascale
