// A small model that learns on a layout of ranks: what tests of layouts, schedules and faults
// share.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "comm/session.hpp"
#include "deck/deck.hpp"
#include "kernels/random.hpp"
#include "pipeline/schedules.hpp"
#include "tests/support/small_model.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale::test {

inline constexpr std::uint64_t layout_seed = 5;
inline constexpr double layout_init_std = 0.05;

/// A rule on a layout.
struct Case {
  std::string rule;
  bool tied, clips_blocks;
  std::string schedule, split;
  std::int64_t dp, pp, zero, micro_batches, in_flight;
  std::int64_t layers = 6, batch_sequences = 24;
  Precision precision = Precision::f32;
  Recompute recompute = Recompute::nothing;

  std::string name() const {
    return fmt::format(
        "{} {} {}x{} {} split \"{}\" M {} zero {} clip {} in flight {}, {} bytes, "
        "{} again",
        rule, tied ? "tied" : "untied", dp, pp, schedule, split, micro_batches, zero,
        clips_blocks ? "block" : "global", in_flight, bytes_of(precision),
        facts_of(recompute).name);
  }
};

inline Training training_of(const Case& c) {
  Training t{};
  t.shape = {c.layers, 16, 2, 8, 61, c.tied, Activation::gelu};
  t.rule = preset(c.rule);
  t.optim = plain_adamw();
  t.optim.learning_rate = 3e-3;
  t.optim.clip = c.clips_blocks ? Clip::block : Clip::global;
  t.optim.clip_norm = 0.5;
  t.optim.precision = c.precision;
  t.optim.batch_sequences = c.batch_sequences;
  t.parallel.dp = c.dp;
  t.parallel.pp = c.pp;
  t.parallel.zero = c.zero;
  t.parallel.schedule = c.schedule;
  t.parallel.virtual_stages = find_schedule(c.schedule)->least_virtual_stages;
  t.parallel.split = c.split;
  t.parallel.micro_batches = c.micro_batches;
  t.parallel.in_flight = c.in_flight;
  t.parallel.bucket_mib = 0.01;  // several buckets
  t.sequences = c.batch_sequences / (c.dp * c.micro_batches);
  t.recomputation.unlisted = c.recompute;
  t.elsewhere.where = elsewhere();
  return t;
}

/// Tokens of a step's sequences: each follows from the one before, with some noise.
inline TokenSource tokens_of(std::int64_t step, const Training& t, int replica) {
  return [=](std::int64_t m, Batch& batch) {
    const std::int64_t T = t.shape.context;
    batch.inputs.clear();
    batch.targets.clear();
    const std::int64_t first = (replica * t.parallel.micro_batches + m) * t.sequences;
    for (std::int64_t b = first; b < first + t.sequences; ++b) {
      const auto row = static_cast<std::uint64_t>(step % 2 * t.optim.batch_sequences + b);
      std::int32_t token = static_cast<std::int32_t>(row % 61);
      for (std::int64_t i = 0; i < T; ++i) {
        batch.inputs.push_back(token);
        const double noise = uniform_at({layout_seed, Purpose::test, 1}, row * 100 + i);
        token = noise < 0.3 ? static_cast<std::int32_t>(noise * 200) : (5 * token + 3) % 61;
        batch.targets.push_back(token);
      }
    }
    return t.sequences;
  };
}

/// A case's model at the seed's values, ready to take steps.
class LayoutModel {
 public:
  LayoutModel(const Comm& world, const Device& on, const Case& c)
      : on_(on), training_(training_of(c)), model_(world, on_, gemm_, training_) {
    model_.draw_feedback(layout_seed);
    model_.reset_moments();
    model_.initialise_parameters(layout_seed, layout_init_std);
  }

  /// `step` counts from 1.
  void step(std::int64_t step, const TokenSource& tokens) {
    model_.step(step, training_.optim.learning_rate, tokens);
  }
  void step(std::int64_t number) {
    step(number, tokens_of(number - 1, training_, model_.grid().replica));
  }

  const Training& training() const { return training_; }
  ParallelLearner& model() { return model_; }
  const ParallelLearner& model() const { return model_; }
  const Device& on() const { return on_; }

 private:
  Device on_;
  Gemm gemm_{on_};
  Training training_;
  ParallelLearner model_;
};

/// A case's model, trained from the seed.
class Trained {
 public:
  Trained(const Comm& world, const Device& on, const Case& c, std::int64_t steps)
      : model_(world, on, c) {
    for (std::int64_t step = 1; step <= steps; ++step) {
      model_.step(step);
      losses_.push_back(model_.model().loss_sum());
    }
    model_.model().finish();
    world.sum_in_order(losses_);
    for (double& loss : losses_)
      loss /= static_cast<double>(c.batch_sequences * model_.training().shape.context);
  }

  /// Mean loss of every step.
  const std::vector<double>& losses() const { return losses_; }
  std::vector<Learner*> learners() const { return model_.model().learners(); }
  const Device& on() const { return model_.on(); }

 private:
  LayoutModel model_;
  std::vector<double> losses_;
};

/// What one rank by itself gets: rank 0 finds out and tells the others.
inline const std::vector<double>& losses_of_one_rank(const Comm& world, const Device& on,
                                                     const Case& like, std::int64_t steps) {
  static std::map<std::string, std::vector<double>> known;
  const std::string key =
      fmt::format("{} {} {} {} {} {} {}", like.rule, like.tied, like.clips_blocks, like.layers,
                  like.batch_sequences, steps, bytes_of(like.precision));
  if (known.contains(key)) return known[key];
  const Comm part = world.split(world.rank() == 0 ? 0 : 1, 0);
  std::vector<double> losses(static_cast<std::size_t>(steps));
  if (world.rank() == 0) {
    Case one = like;
    one.schedule = "gpipe";
    one.split = "";
    one.dp = one.pp = one.micro_batches = 1;
    one.zero = one.in_flight = 0;
    losses = Trained(part, on, one, steps).losses();
  }
  world.barrier();
  world.broadcast(losses.data(), static_cast<std::int64_t>(losses.size() * sizeof(double)));
  return known[key] = losses;
}

/// The largest relative difference of losses in steps [first, end), from 0; 1 where one is not
/// finite.
inline double worst_difference(const std::vector<double>& found, const std::vector<double>& theirs,
                               std::size_t first, std::size_t end) {
  double worst = 0;
  for (std::size_t i = first; i < end; ++i) {
    const double error = std::abs(found[i] / theirs[i] - 1);
    worst = std::max(worst, std::isfinite(error) ? error : 1);
  }
  return worst;
}

/// Whether the schedule is for this rule: unlocked waits for no block above, zb-* split the chain's
/// backward.
inline bool fits(const std::string& schedule, const Rule& rule) {
  if (schedule == "unlocked") return rule.inner != Credit::chain;
  if (schedule.starts_with("zb-")) return rule.inner == Credit::chain;
  return true;
}

}  // namespace dfascale::test
