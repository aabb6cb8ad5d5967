// When a run has to stop so that its last checkpoint is on disk before its time is up.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace dfascale {

/// Seconds until a batch job ends, from the text of SLURM_JOB_END_TIME (seconds of the epoch);
/// infinite if the text is empty, is no number, or lies in the past (left over from another job).
double seconds_until_job_end(const std::string& end_time, double now);

/// Counts from its making.  What is still to do is judged by what it took before: the longest time
/// from one question to the next, and the longest checkpoint.
class TimeBudget {
 public:
  /// Monotonic seconds; tests give their own.
  using Clock = std::function<double()>;

  /// The sooner of run.walltime (seconds, 0: none) and the end of the Slurm job, if this is one.
  explicit TimeBudget(double walltime);
  TimeBudget(double seconds, Clock clock);

  /// Bytes of a checkpoint: what one takes is guessed from them until one was noted.
  void expect_checkpoint(std::int64_t bytes);
  /// One was written in so many seconds, from the last step to the renamed file.
  void note_checkpoint(double seconds);

  /// Asked after every step with all that belongs to it: whether another one might leave too little
  /// time for a checkpoint that is being written and the last one.
  bool is_spent();
  /// Until the time is up; infinite without a limit.
  double seconds_left() const;

 private:
  Clock clock_;
  double end_, asked_;
  double longest_step_ = 0, longest_checkpoint_ = 0;
  bool measured_ = false;
};

}  // namespace dfascale
