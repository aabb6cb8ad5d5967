#include "train/step_reports.hpp"

#include <algorithm>

namespace dfascale {
namespace {

constexpr int tag = 0;
// Rank 0 may fall behind by this much before the others wait for it.
constexpr std::size_t most_under_way = 32;

std::string what() { return "waits for reports of steps"; }

}  // namespace

StepReports::StepReports(const Comm& world) : world_(world.duplicate()) {}

void StepReports::post(const StepShare& own) {
  Step step;
  const bool is_first = world_.rank() == 0;
  step.parts.resize(is_first ? static_cast<std::size_t>(world_.size()) : 1);
  step.parts.front() = {own.loss_sum, own.gradient_square, own.seconds};
  steps_.push_back(std::move(step));
  Step& kept = steps_.back();
  if (!is_first)
    kept.requests.push_back(world_.start_send(kept.parts.data(), sizeof(Numbers), 0, tag));
  for (int rank = 1; is_first && rank < world_.size(); ++rank)
    kept.requests.push_back(world_.start_receive(&kept.parts[static_cast<std::size_t>(rank)],
                                                 sizeof(Numbers), rank, tag));
  if (is_first) return;
  take(Patience::polls);
  while (steps_.size() > most_under_way) {
    world_.wait(steps_.front().requests.front(), what);
    steps_.pop_front();
  }
}

std::vector<StepShare> StepReports::complete() { return take(Patience::polls); }

std::vector<StepShare> StepReports::wait_for_all() { return take(Patience::waits); }

std::vector<StepShare> StepReports::take(Patience patience) {
  std::vector<StepShare> sums;
  while (!steps_.empty()) {
    Step& step = steps_.front();
    for (Request& request : step.requests) {
      if (patience == Patience::waits) world_.wait(request, what);
      if (!request.done()) return sums;
    }
    StepShare sum;
    for (const Numbers& part : step.parts) {
      sum.loss_sum += part[0];
      sum.gradient_square += part[1];
      sum.seconds += part[2];
    }
    steps_.pop_front();
    if (world_.rank() == 0) sums.push_back(sum);
  }
  return sums;
}

}  // namespace dfascale
