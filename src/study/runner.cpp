#include "study/runner.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>
#include <thread>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "deck/deck.hpp"
#include "study/pack.hpp"

namespace dfascale {
namespace {

constexpr auto between_looks = std::chrono::milliseconds(200);

FolderLock take_folder(const std::string& folder) {
  make_folder(folder);
  check_folder_writable(folder);
  return FolderLock(folder);
}

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

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "unknown";
  const auto s = static_cast<std::int64_t>(std::max(0.0, std::round(seconds)));
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}m{:02}s", s / 60, s % 60);
}

template <class Range>
double sum_of(const Range& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

}  // namespace

std::int64_t workers_of(const Study& study) {
  const auto runs = static_cast<std::int64_t>(study.runs.size());
  const std::int64_t wanted =
      study.workers > 0 ? study.workers : static_cast<std::int64_t>(allowed_cores().size());
  return std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, runs));
}

StudyRunner::StudyRunner(const Study& study)
    : study_(study), lock_(take_folder(study.dir)), started_(seconds_now()) {
  check_same_settings(study);
  for (const char* folder : {"/runs", "/decks", "/logs"}) make_folder(study.dir + folder);
  log::also_to_file(study.dir + "/log.txt");
  std::vector<double> costs;
  for (const StudyRun& run : study.runs) {
    states_.push_back(state_of(run));
    costs.push_back(run.flops);
    flops_at_start_ += states_.back().flops;
  }
  for (const std::int64_t run : longest_first(costs))
    if (states_[static_cast<std::size_t>(run)].progress != Progress::done) queue_.push_back(run);
  const std::vector<int> cores = allowed_cores();
  for (std::int64_t slot = 0; slot < workers_of(study); ++slot)
    slots_.push_back({Worker(cores[static_cast<std::size_t>(slot) % cores.size()])});
}

Exit StudyRunner::run() {
  log::say("study {}: {} runs, {} done before, {} at a time; {}", study_.name, study_.runs.size(),
           study_.runs.size() - queue_.size(), slots_.size(), study_.dir);
  while (true) {
    if (signals_.raised() && !stopping_) {
      stopping_ = true;
      log::say("study {}: asked to stop; running runs write a checkpoint", study_.name);
      for (const Slot& slot : slots_) slot.worker.ask_to_stop();
    }
    if (!stopping_) hand_out();
    if (!is_working() && (stopping_ || queue_.empty())) break;
    std::this_thread::sleep_for(between_looks);
    collect();
    show_progress();
  }
  return report();
}

bool StudyRunner::is_working() const {
  return std::ranges::any_of(slots_, [](const Slot& slot) { return slot.worker.is_busy(); });
}

std::string StudyRunner::log_of(const StudyRun& run) const {
  return study_.dir + "/logs/" + run.name() + ".txt";
}

/// Free workers take the next runs; one whose folder is still held by a process of an earlier,
/// killed study waits until that has written its checkpoint.
void StudyRunner::hand_out() {
  for (Slot& slot : slots_) {
    if (slot.worker.is_busy()) continue;
    const auto next = std::ranges::find_if(queue_, [&](std::int64_t number) {
      const auto index = static_cast<std::size_t>(number);
      states_[index] = state_of(study_.runs[index]);
      return states_[index].progress != Progress::running;
    });
    if (next == queue_.end()) return;
    slot.run = *next;
    queue_.erase(next);
    const StudyRun& run = study_.runs[static_cast<std::size_t>(slot.run)];
    const std::string deck = study_.dir + "/decks/" + run.name() + ".toml";
    write_atomically(deck, show_deck(run.settings));
    slot.worker.start(deck, log_of(run));
  }
}

void StudyRunner::collect() {
  for (Slot& slot : slots_) {
    if (!slot.worker.is_busy()) continue;
    const auto index = static_cast<std::size_t>(slot.run);
    if (const auto ending = slot.worker.ended()) take_ending(slot.run, *ending);
    states_[index] = state_of(study_.runs[index]);
  }
}

void StudyRunner::take_ending(std::int64_t number, const Ending& ending) {
  const StudyRun& run = study_.runs[static_cast<std::size_t>(number)];
  const RunState state = state_of(run);
  const auto count = study_.runs.size();
  const auto done = std::ranges::count_if(
      study_.runs, [](const StudyRun& one) { return state_of(one).progress == Progress::done; });
  if (ending.signal == 0 && ending.exit_code == 0 && state.progress == Progress::done) {
    log::say("[{}/{}] {}: validation loss {:.4f}", done, count, run.name(),
             state.val_loss.value_or(NAN));
    return;
  }
  const bool by_signal = ending.exit_code == static_cast<int>(Exit::stopped) ||
                         (stopping_ && ending.signal == SIGTERM);
  if (by_signal && stopping_) return;
  const Exit code = ending.signal != 0 ? Exit::device : static_cast<Exit>(ending.exit_code);
  failures_.push_back({run.name(), describe(ending), log_of(run), code});
  log::warn("{} failed: {}; the others go on", run.name(), describe(ending));
}

/// Runs done, running and waiting, the share of all FLOP, and when the rest will be done if the
/// cores stay as fast as they were.
void StudyRunner::show_progress() {
  double total = 0, spent = 0;
  std::int64_t done = 0;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    total += study_.runs[i].flops;
    spent += std::min(states_[i].flops, study_.runs[i].flops);
    done += states_[i].progress == Progress::done;
  }
  std::vector<double> waiting, busy;
  for (const std::int64_t run : queue_) {
    const auto i = static_cast<std::size_t>(run);
    waiting.push_back(study_.runs[i].flops - states_[i].flops);
  }
  for (const Slot& slot : slots_) {
    const auto i = static_cast<std::size_t>(std::max<std::int64_t>(slot.run, 0));
    busy.push_back(slot.worker.is_busy() ? study_.runs[i].flops - states_[i].flops : 0);
  }
  const auto running =
      std::ranges::count_if(slots_, [](const Slot& s) { return s.worker.is_busy(); });
  // FLOP/s of one worker so far.
  const double rate =
      (spent - flops_at_start_) / (seconds_now() - started_) / static_cast<double>(slots_.size());
  const double left = time_to_finish(waiting, busy) / rate;
  log::progress(fmt::format(
      "{}: {} done, {} running, {} waiting{}  {:.0f} % of {:.2e} FLOP  ETA {}", study_.name, done,
      running, queue_.size(), failures_.empty() ? "" : fmt::format(", {} failed", failures_.size()),
      100 * spent / total, total, rate > 0 ? duration(left) : "unknown"));
}

Exit StudyRunner::report() const {
  const auto done = std::ranges::count_if(
      states_, [](const RunState& state) { return state.progress == Progress::done; });
  log::say("study {}: {} of {} runs done, {:.2e} FLOP, {} this time", study_.name, done,
           study_.runs.size(), sum_of([&] {
             std::vector<double> spent;
             for (const RunState& state : states_) spent.push_back(state.flops);
             return spent;
           }()),
           duration(seconds_now() - started_));
  for (const Failure& failure : failures_)
    log::say("FAILED {}: {}; the end of {}:\n{}", failure.run, failure.reason, failure.log,
             last_lines(failure.log));
  if (!failures_.empty()) return failures_.front().code;
  if (stopping_) {
    log::say("stopped; the same command goes on");
    return Exit::stopped;
  }
  return Exit::done;
}

}  // namespace dfascale
