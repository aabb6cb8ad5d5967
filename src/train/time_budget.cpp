#include "train/time_budget.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <limits>

#include "base/clock.hpp"

namespace dfascale {
namespace {

constexpr double no_limit = std::numeric_limits<double>::infinity();
constexpr double guessed_rate = 100e6;  // bytes per second of a slow shared disk
constexpr double slack = 2;             // seconds for leaving: records, MPI, the job script

double epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double sooner_of(double walltime) {
  const char* end_time = std::getenv("SLURM_JOB_END_TIME");
  return std::min(walltime > 0 ? walltime : no_limit,
                  seconds_until_job_end(end_time ? end_time : "", epoch_seconds()));
}

}  // namespace

double seconds_until_job_end(const std::string& end_time, double now) {
  std::int64_t end = 0;
  const char* last = end_time.data() + end_time.size();
  const auto [at, reason] = std::from_chars(end_time.data(), last, end);
  if (reason != std::errc{} || at != last || static_cast<double>(end) <= now) return no_limit;
  return static_cast<double>(end) - now;
}

TimeBudget::TimeBudget(double walltime) : TimeBudget(sooner_of(walltime), seconds_now) {}

TimeBudget::TimeBudget(double seconds, Clock clock)
    : clock_(std::move(clock)), end_(clock_() + seconds), asked_(clock_()) {}

void TimeBudget::expect_checkpoint(std::int64_t bytes) {
  if (!measured_) longest_checkpoint_ = static_cast<double>(bytes) / guessed_rate;
}

void TimeBudget::note_checkpoint(double seconds) {
  longest_checkpoint_ = measured_ ? std::max(longest_checkpoint_, seconds) : seconds;
  measured_ = true;
}

bool TimeBudget::is_spent() {
  const double now = clock_();
  longest_step_ = std::max(longest_step_, now - asked_);
  asked_ = now;
  return now + longest_step_ + 2 * longest_checkpoint_ + slack > end_;
}

double TimeBudget::seconds_left() const { return end_ - clock_(); }

}  // namespace dfascale
