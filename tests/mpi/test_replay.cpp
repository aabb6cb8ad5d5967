// Training with what a device records and replays has the bits of training that launches everything
// by itself: losses, norms, validation, probes and parameters, by every rule, on layouts of the
// ranks at hand.  On hosts over a fake GPU (tests/support/replayed).
#include <gtest/gtest.h>

#include "tests/support/layouts.hpp"
#include "tests/support/session.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t steps = 6;  // a passage runs, is recorded, is replayed; the rate changes

/// Everything that a run shows of itself.
struct Outcome {
  std::vector<double> numbers;
  std::vector<float> parameters;

  bool operator==(const Outcome&) const = default;
};

/// Of the gradients that the rank's stages hold.
void add_squares(std::vector<double>& numbers, const Device& on, const ParallelLearner& model) {
  for (Learner* learner : model.learners())
    for (const double square : learner->adamw().squares(on, learner->gradients()))
      numbers.push_back(square);
}

/// Steps whose batches and learning rates differ; between them validation of two lengths, and
/// probes of another scale.
Outcome train(const Device& on, const Case& c) {
  LayoutModel trained(session->comm(), on, c);
  ParallelLearner& model = trained.model();
  const auto tokens = [&](std::int64_t step) {
    return tokens_of(step, trained.training(), model.grid().replica);
  };
  Outcome outcome;
  for (std::int64_t step = 1; step <= steps; ++step) {
    model.step(step, 1e-3 * static_cast<double>(step), tokens(step));
    outcome.numbers.push_back(model.loss_sum());
    outcome.numbers.push_back(model.gradient_square());
    outcome.numbers.push_back(model.evaluate(1 + step % 2, [&](std::int64_t m, Batch& batch) {
      return std::max<std::int64_t>(1, tokens(step)(m, batch) - step % 2);
    }));
    model.take_probe_gradients(tokens(step + 1), 0.25f);
    add_squares(outcome.numbers, on, model);
  }
  model.finish();
  for (const Learner* learner : model.learners()) {
    const Vec values = learner->values();
    std::vector<float> held(static_cast<std::size_t>(values.size));
    copy_to_host(on, held.data(), values.data, held.size() * sizeof(float));
    outcome.parameters.insert(outcome.parameters.end(), held.begin(), held.end());
  }
  return outcome;
}

void expect_same_bits(const Case& c) {
  SCOPED_TRACE(c.name());
  const Device& device = session->device();
  ASSERT_TRUE(device.has_graphs);
  const Outcome replayed = train(device, c), launched = train(without_graphs(device), c);
  EXPECT_EQ(replayed.numbers, launched.numbers);
  EXPECT_EQ(replayed.parameters, launched.parameters);
}

std::vector<Case> cases(std::int64_t ranks) {
  std::vector<Case> found;
  for (std::int64_t pp = 1; pp <= ranks; ++pp) {
    if (ranks % pp != 0) continue;
    const std::int64_t dp = ranks / pp;
    for (const char* rule : {"bp", "dfa", "dfa-canonical", "shallow"})
      for (const char* schedule : {"1f1b", "zb-h1", "unlocked"})
        if (fits(schedule, preset(rule)) && (pp > 1 || schedule == std::string("1f1b")))
          found.push_back({rule, true, pp > 1, schedule, "", dp, pp, dp > 1 ? 1 : 0, 2, 0, 4, 8});
  }
  return found;
}

TEST(Replay, HasTheBitsOfLaunches) {
  for (const Case& c : cases(session->comm().size())) expect_same_bits(c);
}

/// Transfers to the store go between passages, and what they bring lies where passages look for it.
TEST(Replay, AlsoWhereActivationsAreComputedAgainOrSentElsewhere) {
  for (const Recompute level : {Recompute::everything, Recompute::offloaded})
    for (Case c : cases(session->comm().size())) {
      c.recompute = level;
      expect_same_bits(c);
    }
}

TEST(Replay, AlsoInHalfPrecision) {
  for (Case c : cases(session->comm().size())) {
    c.precision = Precision::bf16;
    expect_same_bits(c);
  }
}

}  // namespace
}  // namespace dfascale::test
