#include "study/agenda.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace dfascale {

Agenda::Agenda(const Study& study) : study_(study), explored_(study.searches.size()) {
  std::vector<const StudyRun*> settled;
  for (const StudyRun& run : study.runs) {
    jobs_.push_back({run, {}, Job::Part::run, run.search.has_value()});
    if (!run.search) settled.push_back(&run);
  }
  check_same_settings(settled);
  look();
}

void Agenda::look() {
  for (std::size_t job = 0; job < jobs_.size(); ++job)
    if (!jobs_[job].is_open && !jobs_[job].state.has_ended()) look_at(job);
  unfold();
}

void Agenda::look_at(std::size_t job) { jobs_[job].state = state_of(jobs_[job].run); }

/// The candidate's job; a new one is looked at once.
std::size_t Agenda::job_of(const StudyRun& candidate) {
  const auto [entry, is_new] = candidates_.try_emplace(candidate.folder(), jobs_.size());
  if (is_new) {
    check_same_settings({&candidate});
    jobs_.push_back({candidate, state_of(candidate), Job::Part::candidate, false});
  }
  return entry->second;
}

void Agenda::unfold() {
  const auto loss_of = [this](const StudyRun& candidate) -> std::optional<double> {
    const RunState& state = jobs_[job_of(candidate)].state;
    if (!state.has_ended()) return std::nullopt;
    return state.progress == Progress::done ? state.val_loss.value_or(INFINITY) : INFINITY;
  };
  for (std::size_t i = 0; i < study_.searches.size(); ++i) {
    if (explored_[i].best || explored_[i].is_hopeless) continue;
    explored_[i] = explore(study_.searches[i], loss_of);
    if (explored_[i].best) settle(i, *explored_[i].best);
  }
}

/// The runs that waited for a search take its best values.
void Agenda::settle(std::size_t search, const Place& best) {
  std::vector<const StudyRun*> settled;
  for (std::size_t job = 0; job < study_.runs.size(); ++job) {
    if (jobs_[job].run.search != search) continue;
    put(jobs_[job].run.settings, study_.searches[search], best);
    jobs_[job].is_open = false;
    look_at(job);
    settled.push_back(&jobs_[job].run);
  }
  check_same_settings(settled);
}

std::vector<std::size_t> Agenda::in_order() const {
  const Rates measured = rates();
  std::vector<std::tuple<Job::Part, double, std::size_t>> keys;
  for (std::size_t job = 0; job < jobs_.size(); ++job) {
    const auto& [run, state, part, is_open] = jobs_[job];
    if (is_open || state.has_ended()) continue;
    const double left = measured.seconds_left(run, state).value_or(run.flops);
    keys.emplace_back(part, left, job);
  }
  std::ranges::sort(keys, [](const auto& a, const auto& b) {
    if (std::get<0>(a) != std::get<0>(b)) return std::get<0>(a) == Job::Part::candidate;
    if (std::get<1>(a) != std::get<1>(b)) return std::get<1>(a) > std::get<1>(b);
    return std::get<2>(a) < std::get<2>(b);
  });
  std::vector<std::size_t> order;
  order.reserve(keys.size());
  for (const auto& key : keys) order.push_back(std::get<2>(key));
  return order;
}

bool Agenda::has_open() const {
  return std::ranges::any_of(jobs_, [&](const Job& job) {
    return job.is_open && !explored_[*job.run.search].is_hopeless;
  });
}

std::int64_t Agenda::count(Progress progress) const {
  return std::ranges::count_if(jobs_,
                               [&](const Job& job) { return job.state.progress == progress; });
}

Rates Agenda::rates() const {
  Rates rates;
  for (const Job& job : jobs_) rates.add(job.run, job.state);
  return rates;
}

}  // namespace dfascale
