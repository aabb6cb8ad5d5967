// Runs a study: hands runs to workers, watches them, reports.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "study/agenda.hpp"
#include "study/claim.hpp"
#include "study/worker.hpp"

namespace dfascale {

/// One of several processes that share a study's folder; alone: 1 of 1.
struct Task {
  std::int64_t number = 1, count = 1;
  Sharing sharing() const { return count > 1 ? Sharing::with_others : Sharing::alone; }
};

class StudyRunner {
 public:
  /// Takes the study's folder, and refuses one with other runs in it.
  explicit StudyRunner(const Study& study, Task task = {});

  /// Exit::done; Exit::stopped after a signal; else the code of the first run that failed.
  Exit run();

 private:
  struct Slot {
    Worker worker;
    Claim claim;
    std::size_t job = 0;        ///< that it is busy with
    double next_judgement = 0;  ///< when its losses are looked at again
  };
  struct Failure {
    std::size_t job;
    std::string reason;
    Exit code;
  };

  void hand_out();
  bool start(Slot& slot, std::size_t job);
  bool is_worth_waiting() const;
  void collect();
  void judge(const Slot& slot);
  void show_progress();
  void take_ending(Slot& slot, const Ending& ending);
  void take_failure(std::size_t job, const Ending& ending);
  void say_result(std::size_t job) const;
  void say_searches() const;
  Exit report() const;
  std::string place(const char* folder, std::size_t job, const char* ending) const;
  bool is_working() const;
  bool is_ours(std::size_t job) const;
  bool is_given_up(std::size_t job) const;

  const Study& study_;
  Task task_;
  StudyLock lock_;
  Agenda agenda_;
  std::vector<Slot> slots_;
  std::map<std::size_t, std::vector<Failure>> failures_;  ///< by job; the second one is final
  bool stopping_ = false;
  double started_, next_look_ = 0;
};

/// "2h05m", "1m30s"
std::string duration(double seconds);
/// A table of all runs and how far they are.
std::string status_table(const Study& study);
/// A table of all runs and what they will cost, with times from rates where there are any.
std::string plan_table(const Study& study, const Rates& rates);
/// A few steps of every size and rule, to be run in the study's folder for their rates.
Study measuring_study(const Study& study);
/// Makes the folder of a measuring study, or removes the runs of an earlier one in it.  Throws
/// Error(Exit::checkpoint), and changes nothing, if something else has the folder's name.
void begin_measuring(const Study& few);
/// What the study's runs, and those of its measuring study, have measured.
Rates measured_rates(const Study& study);

/// Runs at a time: as the study says, or one per core, and no more than there are runs.
std::int64_t workers_of(const Study& study);

}  // namespace dfascale
