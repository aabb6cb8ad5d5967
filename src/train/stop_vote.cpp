#include "train/stop_vote.hpp"

#include "base/log.hpp"
#include "base/stop_signals.hpp"

namespace dfascale {

bool any_rank_is_asked_to_stop(const Comm& world) {
  return world.max(std::int64_t{is_asked_to_stop()}) > 0;
}

Exit stop_before_the_first_step() {
  ignore_stop_signals();
  log::say(
      "asked to stop before the first step: nothing was done, so that no checkpoint is written; "
      "the same command starts again");
  return Exit::stopped;
}

StopVote::StopVote(const Comm& world, std::size_t steps_later)
    : world_(world.duplicate()), steps_later_(steps_later) {}

bool StopVote::says_stop(bool asked_on_this_rank) {
  Vote& vote = votes_.emplace_back();
  vote.asked = asked_on_this_rank ? 1 : 0;
  vote.request = world_.start_all_reduce_max(vote.asked);
  return votes_.size() > steps_later_ && result_of_oldest();
}

bool StopVote::result_of_oldest() {
  world_.wait(votes_.front().request, [] { return std::string("waits for the end of a step"); });
  const bool stop = votes_.front().asked > 0;
  votes_.pop_front();
  return stop;
}

void StopVote::finish() {
  while (!votes_.empty()) result_of_oldest();
}

}  // namespace dfascale
