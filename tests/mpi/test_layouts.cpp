// Layout invariance: on every layout of the ranks at hand, under every rule and every schedule that
// fits it, training follows the run of one rank, and twice the same layout gives the same bits.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "comm/session.hpp"
#include "deck/deck.hpp"
#include "kernels/random.hpp"
#include "pipeline/schedules.hpp"
#include "tests/support/small_model.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale::test {
namespace {

const Session* session = nullptr;

constexpr std::int64_t batch_sequences = 24, steps = 20, strict_steps = 10;
constexpr double strict = 1e-5, loose = 1e-4;  // relative, of losses: order of float32 sums
constexpr std::uint64_t seed = 5;
constexpr double init_std = 0.05;

struct Case {
  std::string rule;
  bool tied, clips_blocks;
  std::string schedule, split;
  std::int64_t dp, pp, zero, micro_batches, in_flight;

  std::string name() const {
    return fmt::format("{} {} {}x{} {} split \"{}\" M {} zero {} clip {} in flight {}", rule,
                       tied ? "tied" : "untied", dp, pp, schedule, split, micro_batches, zero,
                       clips_blocks ? "block" : "global", in_flight);
  }
};

Training training_of(const Case& c) {
  Training t{};
  t.shape = {6, 16, 2, 8, 61, c.tied, Activation::gelu};
  t.rule = preset(c.rule);
  t.optim = plain_adamw();
  t.optim.learning_rate = 3e-3;
  t.optim.clip = c.clips_blocks ? Clip::block : Clip::global;
  t.optim.clip_norm = 0.5;
  t.optim.batch_sequences = batch_sequences;
  t.parallel.dp = c.dp;
  t.parallel.pp = c.pp;
  t.parallel.zero = c.zero;
  t.parallel.schedule = c.schedule;
  t.parallel.virtual_stages = find_schedule(c.schedule)->least_virtual_stages;
  t.parallel.split = c.split;
  t.parallel.micro_batches = c.micro_batches;
  t.parallel.in_flight = c.in_flight;
  t.parallel.bucket_mib = 0.01;  // several buckets
  t.sequences = batch_sequences / (c.dp * c.micro_batches);
  return t;
}

/// Tokens of a step's sequences: each follows from the one before, with some noise.
TokenSource tokens_of(std::int64_t step, const Training& t, int replica) {
  return [=](std::int64_t m, Batch& batch) {
    const std::int64_t T = t.shape.context;
    batch.inputs.clear();
    batch.targets.clear();
    const std::int64_t first = (replica * t.parallel.micro_batches + m) * t.sequences;
    for (std::int64_t b = first; b < first + t.sequences; ++b) {
      const auto row = static_cast<std::uint64_t>(step % 2 * batch_sequences + b);
      std::int32_t token = static_cast<std::int32_t>(row % 61);
      for (std::int64_t i = 0; i < T; ++i) {
        batch.inputs.push_back(token);
        const double noise = uniform_at({seed, Purpose::test, 1}, row * 100 + i);
        token = noise < 0.3 ? static_cast<std::int32_t>(noise * 200) : (5 * token + 3) % 61;
        batch.targets.push_back(token);
      }
    }
    return t.sequences;
  };
}

/// Losses of every step, and the parameters of this rank's stages at the end.
struct Outcome {
  std::vector<double> losses;
  std::vector<float> parameters;
};

/// A case's model, trained from the seed.
class Trained {
 public:
  Trained(const Comm& world, const Case& c)
      : training_(training_of(c)), model_(world, on_, gemm_, training_) {
    model_.draw_feedback(seed);
    model_.reset_moments();
    model_.initialise_parameters(seed, init_std);
    for (std::int64_t step = 0; step < steps; ++step) {
      model_.step(step + 1, training_.optim.learning_rate,
                  tokens_of(step, training_, model_.grid().replica));
      losses_.push_back(model_.loss_sum());
    }
    model_.finish();
    world.sum_in_order(losses_);
    for (double& loss : losses_)
      loss /= static_cast<double>(batch_sequences * training_.shape.context);
  }

  const std::vector<double>& losses() const { return losses_; }
  std::vector<Learner*> learners() const { return model_.learners(); }
  const Device& on() const { return on_; }

 private:
  Device on_;
  Gemm gemm_{on_};
  Training training_;
  ParallelLearner model_;
  std::vector<double> losses_;
};

Outcome train(const Comm& world, const Case& c) {
  const Trained trained(world, c);
  Outcome outcome{trained.losses(), {}};
  for (const Learner* learner : trained.learners())
    outcome.parameters.insert(outcome.parameters.end(), learner->values().data,
                              learner->values().data + learner->values().size);
  return outcome;
}

/// What one rank by itself gets; each rank finds out for itself.
const std::vector<double>& reference(const Case& like) {
  static std::map<std::string, std::vector<double>> known;
  const std::string key = like.rule + (like.tied ? " tied" : "") + (like.clips_blocks ? " b" : "");
  if (!known.contains(key)) {
    const Comm alone = session->comm().split(session->comm().rank(), 0);
    const Case one{like.rule, like.tied, like.clips_blocks, "gpipe", "", 1, 1, 0, 1, 0};
    known[key] = train(alone, one).losses;
  }
  return known[key];
}

void expect_like_one_rank(const Case& c) {
  SCOPED_TRACE(c.name());
  const std::vector<double>& one = reference(c);
  const Outcome found = train(session->comm(), c);
  double early = 0, late = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    const double error = std::abs(found.losses[i] / one[i] - 1);
    (static_cast<std::int64_t>(i) < strict_steps ? early : late) =
        std::max(static_cast<std::int64_t>(i) < strict_steps ? early : late,
                 std::isfinite(error) ? error : 1);
  }
  EXPECT_LT(early, strict);
  EXPECT_LT(late, loose);
  EXPECT_LT(one.back(), 0.98 * one.front()) << "nothing was learnt";
}

/// Whether the schedule is for this rule: unlocked waits for no block above, zb-* split the chain's
/// backward.
bool fits(const std::string& schedule, const Rule& rule) {
  if (schedule == "unlocked") return rule.inner != Credit::chain;
  if (schedule.starts_with("zb-")) return rule.inner == Credit::chain;
  return true;
}

std::vector<Case> cases(std::int64_t ranks) {
  std::vector<Case> found;
  for (std::int64_t pp = 1; pp <= ranks; ++pp) {
    if (ranks % pp != 0) continue;
    const std::int64_t dp = ranks / pp, M = dp > 2 ? 2 : 6;
    for (const char* rule : {"bp", "dfa", "dfa-canonical", "shallow"}) {
      for (const bool tied : {true, false}) {
        for (const ScheduleFacts& schedule : schedules) {
          const std::string name(schedule.name);
          if (!fits(name, preset(rule)) || (pp == 1 && name != "1f1b")) continue;
          const std::int64_t v = schedule.least_virtual_stages;
          if (pp * v > 6) continue;
          for (std::int64_t zero = 0; zero <= (dp > 1 ? 1 : 0); ++zero)
            found.push_back({rule, tied, !tied || zero == 1, name, "", dp, pp, zero, M, 0});
        }
      }
    }
  }
  return found;
}

TEST(Layouts, FollowOneRank) {
  for (const Case& c : cases(session->comm().size())) expect_like_one_rank(c);
}

TEST(Layouts, UnevenSplitsAndTheHeadAlone) {
  const std::int64_t ranks = session->comm().size();
  const std::map<std::int64_t, std::vector<std::string>> splits = {
      {2, {"1,5", "6,0"}}, {3, {"3,2,1", "2,4,0"}}, {4, {"1,2,1,2", "3,2,1,0"}}};
  if (!splits.contains(ranks)) GTEST_SKIP() << "one stage cannot be split";
  for (const std::string& split : splits.at(ranks))
    for (const char* rule : {"bp", "dfa", "dfa-canonical", "shallow"})
      for (const bool tied : {true, false})
        for (const bool clips_blocks : {true, false})
          expect_like_one_rank(
              {rule, tied, clips_blocks, default_schedule(preset(rule)), split, 1, ranks, 0, 4, 0});
}

TEST(Layouts, FewerMicroBatchesInFlight) {
  const std::int64_t ranks = session->comm().size();
  for (std::int64_t in_flight = 1; in_flight <= ranks; ++in_flight)
    expect_like_one_rank({"dfa", true, true, "unlocked", "", 1, ranks, 0, 8, in_flight});
}

TEST(Layouts, RepeatTheirBits) {
  for (const Case& c : cases(session->comm().size())) {
    if (!c.tied || (c.rule != "bp" && c.rule != "dfa")) continue;
    SCOPED_TRACE(c.name());
    const Outcome one = train(session->comm(), c), two = train(session->comm(), c);
    EXPECT_EQ(one.losses, two.losses);
    EXPECT_EQ(one.parameters, two.parameters);
  }
}

/// Both ends of a pipeline hold a tied matrix, bit by bit the same after any number of updates.
TEST(Layouts, CopiesOfATiedMatrixStayTheSame) {
  const Comm& world = session->comm();
  if (world.size() == 1) GTEST_SKIP() << "one rank has one copy";
  for (const std::int64_t dp : {1, 2}) {
    if (world.size() % dp != 0 || world.size() / dp < 2) continue;
    for (const char* rule : {"bp", "dfa"}) {
      Case c{rule,   true, true, default_schedule(preset(rule)), "", dp, world.size() / dp,
             dp - 1, 2,    0};
      SCOPED_TRACE(c.name());
      const Trained trained(world, c);
      std::string bits;
      for (const Learner* learner : trained.learners()) {
        const Parameter& p = learner->table().find("token_embedding.weight");
        if (!p.held()) continue;
        const std::vector<float> values =
            download(trained.on(), p, Buffer::values, learner->values());
        bits.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
      }
      std::vector<std::string> copies = world.gather(bits);
      std::erase(copies, "");
      EXPECT_EQ(copies.size(), static_cast<std::size_t>(world.rank() == 0 ? 2 * dp : 0));
      for (const std::string& copy : copies) EXPECT_EQ(copy == copies.front(), true);
    }
  }
}

}  // namespace
}  // namespace dfascale::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const dfascale::Session running;
  dfascale::test::session = &running;
  return RUN_ALL_TESTS();
}
