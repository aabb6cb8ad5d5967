#include "study/runner.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>
#include <thread>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/stop_signals.hpp"
#include "deck/deck.hpp"
#include "io/files.hpp"
#include "study/pack.hpp"

namespace dfascale {
namespace {

constexpr auto between_looks = std::chrono::milliseconds(200);
constexpr double between_judgements = 2;  // seconds, of a run's losses
constexpr double between_full_looks = 5;  // seconds, at what other processes do
constexpr std::size_t most_attempts = 2;  // of a run that fails

/// The last lines of a run's log, indented.
std::string last_lines(const std::string& path) {
  constexpr std::size_t most = 8;
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back("    " + line);
    if (lines.size() > most) lines.erase(lines.begin());
  }
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::string log_file(const Study& study, const Task& task) {
  return study.dir +
         (task.count > 1 ? fmt::format("/log-{}.txt", task.number) : std::string("/log.txt"));
}

/// Folders of decks and logs have one for the searches, whose runs may be called like others.
std::string folder_of(const Job& job) { return job.part == Job::Part::candidate ? "/search" : ""; }

}  // namespace

std::int64_t workers_of(const Study& study) {
  const auto runs = static_cast<std::int64_t>(study.runs.size());
  const std::int64_t wanted =
      study.workers > 0 ? study.workers : static_cast<std::int64_t>(allowed_cores().size());
  const std::int64_t most = study.searches.empty() ? std::max<std::int64_t>(1, runs) : wanted;
  return std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, most));
}

StudyRunner::StudyRunner(const Study& study, Task task)
    : study_(study),
      task_(task),
      lock_(study.dir, task.sharing()),
      agenda_(study),
      started_(seconds_now()) {
  for (const char* folder : {"/runs", "/decks", "/logs"}) make_folder(study.dir + folder);
  if (!study.searches.empty())
    for (const char* folder : {"/search", "/decks/search", "/logs/search"})
      make_folder(study.dir + folder);
  log::also_to_file(log_file(study, task));
  const std::vector<int> cores = allowed_cores();
  for (std::int64_t slot = 0; slot < workers_of(study); ++slot)
    slots_.push_back({Worker(cores[static_cast<std::size_t>(slot) % cores.size()]), {}, 0, 0});
}

Exit StudyRunner::run() {
  const auto done = agenda_.count(Progress::done) + agenda_.count(Progress::diverged);
  log::say("study {}: {} runs, {} done before, {} at a time; {}", study_.name,
           agenda_.jobs().size(), done, slots_.size(), study_.dir);
  while (true) {
    if (is_asked_to_stop() && !stopping_) {
      stopping_ = true;
      ignore_stop_signals();
      log::say("study {}: asked to stop; running runs write a checkpoint", study_.name);
      for (const Slot& slot : slots_) slot.worker.ask_to_stop();
    }
    if (!stopping_) hand_out();
    if (!is_working() && (stopping_ || !is_worth_waiting())) break;
    std::this_thread::sleep_for(between_looks);
    collect();
    show_progress();
  }
  ignore_stop_signals();
  return report();
}

bool StudyRunner::is_working() const {
  return std::ranges::any_of(slots_, [](const Slot& slot) { return slot.worker.is_busy(); });
}

bool StudyRunner::is_ours(std::size_t job) const {
  return std::ranges::any_of(
      slots_, [job](const Slot& slot) { return slot.worker.is_busy() && slot.job == job; });
}

bool StudyRunner::is_given_up(std::size_t job) const {
  const auto found = failures_.find(job);
  return found != failures_.end() && found->second.size() >= most_attempts;
}

std::string StudyRunner::place(const char* folder, std::size_t job, const char* ending) const {
  const Job& it = agenda_.jobs()[job];
  return study_.dir + folder + folder_of(it) + "/" + it.run.name() + ending;
}

/// Whether something is left that this process can start now or later.  Runs of other processes are
/// left to them, unless a search needs their results; alone, what still holds a run is a process of
/// an earlier, killed study that is about to stop.
bool StudyRunner::is_worth_waiting() const {
  bool others_work = false;
  for (const std::size_t job : agenda_.in_order()) {
    if (is_given_up(job)) continue;
    if (agenda_.jobs()[job].state.progress != Progress::running) return true;
    others_work = true;
  }
  return others_work && (task_.sharing() == Sharing::alone || agenda_.has_open());
}

/// Free workers take the next runs that nobody else has.
void StudyRunner::hand_out() {
  if (std::ranges::all_of(slots_, [](const Slot& slot) { return slot.worker.is_busy(); })) return;
  if (seconds_now() >= next_look_) {
    agenda_.look();
    next_look_ = seconds_now() + between_full_looks;
  }
  const std::vector<std::size_t> order = agenda_.in_order();
  auto next = order.begin();
  for (Slot& slot : slots_)
    while (!slot.worker.is_busy() && next != order.end()) {
      const std::size_t job = *next++;
      if (!is_given_up(job) && !is_ours(job)) start(slot, job);
    }
}

/// False if the run is another's, or has ended in the meantime.
bool StudyRunner::start(Slot& slot, std::size_t job) {
  const StudyRun& run = agenda_.jobs()[job].run;
  auto claim = Claim::take(claim_path(run));
  const auto reason = claim ? divergence(run) : std::nullopt;
  if (reason) mark_diverged(run, *reason);
  agenda_.look_at(job);
  if (!claim) return false;
  if (agenda_.jobs()[job].state.has_ended()) {
    next_look_ = 0;
    return false;
  }
  const std::string deck = place("/decks", job, ".toml");
  write_atomically(deck, show_deck(run.settings));
  slot.job = job;
  slot.claim = std::move(*claim);
  slot.next_judgement = seconds_now() + between_judgements;
  slot.worker.start(deck, place("/logs", job, ".txt"), slot.claim.descriptor());
  return true;
}

void StudyRunner::collect() {
  for (Slot& slot : slots_) {
    if (!slot.worker.is_busy()) continue;
    if (const auto ending = slot.worker.ended()) {
      take_ending(slot, *ending);
      slot.claim = Claim();
      next_look_ = 0;
    } else if (seconds_now() >= slot.next_judgement) {
      slot.next_judgement = seconds_now() + between_judgements;
      judge(slot);
    }
    agenda_.look_at(slot.job);
  }
}

/// A run that has diverged is stopped: the rest of its budget would be wasted.
void StudyRunner::judge(const Slot& slot) {
  const StudyRun& run = agenda_.jobs()[slot.job].run;
  const auto reason = divergence(run);
  if (!reason) return;
  mark_diverged(run, *reason);
  slot.worker.ask_to_stop();
}

void StudyRunner::take_ending(Slot& slot, const Ending& ending) {
  const StudyRun& run = agenda_.jobs()[slot.job].run;
  const bool has_code = ending.signal == 0;
  if (has_code && ending.exit_code == static_cast<int>(Exit::numerical))
    mark_diverged(run, "a loss or gradient was not finite; the end of " +
                           place("/logs", slot.job, ".txt") + " has the step");
  else if (const auto reason = divergence(run)) mark_diverged(run, *reason);
  agenda_.look_at(slot.job);
  if (agenda_.jobs()[slot.job].state.has_ended()) return say_result(slot.job);
  const bool by_signal =
      ending.exit_code == static_cast<int>(Exit::stopped) || ending.signal == SIGTERM;
  const bool is_asked =
      stopping_ || is_asked_to_stop();  // signals may go to all processes of a job
  if (!is_asked || !by_signal) take_failure(slot.job, ending);
}

void StudyRunner::say_result(std::size_t job) const {
  const auto& [run, state, part, is_open] = agenda_.jobs()[job];
  const auto done = agenda_.count(Progress::done) + agenda_.count(Progress::diverged);
  const std::string result =
      state.progress == Progress::diverged
          ? "diverged: " + state.note
          : fmt::format("validation loss {:.4f}", state.val_loss.value_or(NAN));
  log::say("[{}/{}] {}{}: {}", done, agenda_.jobs().size(),
           part == Job::Part::candidate ? "search " : "", run.name(), result);
}

void StudyRunner::take_failure(std::size_t job, const Ending& ending) {
  const Exit code = ending.signal != 0 ? Exit::device : static_cast<Exit>(ending.exit_code);
  failures_[job].push_back({job, describe(ending), code});
  log::warn("{} failed: {}; {}", agenda_.jobs()[job].run.name(), describe(ending),
            is_given_up(job) ? "the others go on" : "it is tried once more");
}

/// Runs done, running and waiting, the share of all FLOP, and when the rest will be done at the
/// rates measured so far.
void StudyRunner::show_progress() {
  const Rates rates = agenda_.rates();
  double total = 0, spent = 0;
  std::vector<double> waiting, busy(slots_.size(), 0);
  for (std::size_t job = 0; job < agenda_.jobs().size(); ++job) {
    const auto& [run, state, part, is_open] = agenda_.jobs()[job];
    total += run.flops;
    spent += state.has_ended() ? run.flops : std::min(state.flops, run.flops);
    const double left = rates.seconds_left(run, state).value_or(INFINITY);
    const auto slot = std::ranges::find_if(
        slots_, [&](const Slot& s) { return s.worker.is_busy() && s.job == job; });
    if (slot != slots_.end()) busy[static_cast<std::size_t>(slot - slots_.begin())] = left;
    else if (!state.has_ended() && !is_given_up(job)) waiting.push_back(left);
  }
  const auto running =
      std::ranges::count_if(slots_, [](const Slot& s) { return s.worker.is_busy(); });
  std::ranges::sort(waiting, std::greater());
  const double left = time_to_finish(waiting, busy) / static_cast<double>(task_.count);
  log::progress(
      fmt::format("{}: {} of {} done, {} running  {:.0f} % of {:.2e} FLOP  ETA {}", study_.name,
                  agenda_.count(Progress::done) + agenda_.count(Progress::diverged),
                  agenda_.jobs().size(), running, 100 * spent / total, total, duration(left)));
}

void StudyRunner::say_searches() const {
  for (std::size_t i = 0; i < study_.searches.size(); ++i) {
    const Search& search = study_.searches[i];
    const Exploration& found = agenda_.searches()[i];
    if (found.best)
      log::say("search {}: {} is the best of {}, validation loss {:.4f}", search.name,
               describe(search, *found.best), found.candidates.size(), found.loss);
    else if (found.is_hopeless)
      log::say("FAILED search {}: all {} runs diverged; begin with smaller values", search.name,
               found.candidates.size());
  }
}

Exit StudyRunner::report() const {
  double spent = 0;
  std::int64_t open = 0, diverged = 0, elsewhere = 0;
  for (const auto& [run, state, part, is_open] : agenda_.jobs()) {
    spent += state.flops;
    open += is_open;
    diverged += part == Job::Part::run && state.progress == Progress::diverged;
    elsewhere += state.progress == Progress::running;
  }
  say_searches();
  log::say("study {}: {} of {} runs done, {:.2e} FLOP, {} this time", study_.name,
           agenda_.count(Progress::done) + agenda_.count(Progress::diverged), agenda_.jobs().size(),
           spent, duration(seconds_now() - started_));
  if (elsewhere > 0 && !stopping_) log::say("{} runs are with other tasks", elsewhere);
  Exit code = Exit::done;
  for (const auto& [job, attempts] : failures_) {
    const std::string& name = agenda_.jobs()[job].run.name();
    if (!is_given_up(job)) {
      log::say("retried {}: {} the first time", name, attempts.front().reason);
      continue;
    }
    const std::string log = place("/logs", job, ".txt");
    log::say("FAILED {}: {}; the end of {}:\n{}", name, attempts.back().reason, log,
             last_lines(log));
    if (code == Exit::done) code = attempts.back().code;
  }
  for (const auto& [run, state, part, is_open] : agenda_.jobs())
    if (part == Job::Part::run && state.progress == Progress::diverged)
      log::say("DIVERGED {}: {}", run.name(), state.note);
  if (open > 0) log::say("{} runs wait for a search", open);
  if (code != Exit::done) return code;
  if (stopping_) {
    log::say("stopped; the same command goes on");
    return Exit::stopped;
  }
  return diverged > 0 || (open > 0 && !agenda_.has_open()) ? Exit::numerical : Exit::done;
}

}  // namespace dfascale
