// What a study has to do now: its runs, and the candidates of its searches as they become known.
// Follows from the study and its folders alone, so every process sees the same.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "study/rates.hpp"
#include "study/run_state.hpp"
#include "study/study.hpp"

namespace dfascale {

struct Job {
  enum class Part {
    run,        ///< of the study proper
    candidate,  ///< of a search
  };

  StudyRun run;
  RunState state;
  Part part = Part::run;
  bool is_open = false;  ///< a search has yet to settle some of its keys
};

class Agenda {
 public:
  /// The study is predicted.  Throws Error(Exit::checkpoint) if folders hold other runs.
  explicit Agenda(const Study& study);

  /// Looks at all folders again.
  void look();
  /// Looks at one job's.
  void look_at(std::size_t job);

  const std::vector<Job>& jobs() const { return jobs_; }
  /// Of each of the study's searches.
  const std::vector<Exploration>& searches() const { return explored_; }
  /// Jobs that have not ended and could go on, candidates first, then the longest first.
  std::vector<std::size_t> in_order() const;
  /// Whether runs wait for a search that is not hopeless.
  bool has_open() const;
  std::int64_t count(Progress progress) const;
  /// Of all jobs that are known, by what they have trained so far.
  Rates rates() const;

 private:
  std::size_t job_of(const StudyRun& candidate);
  void unfold();
  void settle(std::size_t search, const Place& best);

  const Study& study_;
  std::vector<Job> jobs_;  ///< the study's runs, then candidates; only grows
  std::map<std::string, std::size_t> candidates_;  ///< by folder
  std::vector<Exploration> explored_;
};

}  // namespace dfascale
