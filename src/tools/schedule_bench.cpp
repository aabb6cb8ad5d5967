#include "tools/schedule_bench.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <thread>

#include "base/clock.hpp"
#include "pipeline/rehearse.hpp"
#include "pipeline/schedules.hpp"
#include "pipeline/simulate.hpp"
#include "pipeline/theory.hpp"
#include "train/engine.hpp"
#include "train/layout.hpp"

namespace dfascale {
namespace {

/// Waits without using the core, and moves messages on as computing between products does.
void pass_time(double seconds) {
  constexpr double slice = 2e-3;
  const double end = seconds_now() + seconds;
  for (double left = seconds; left > 0; left = end - seconds_now()) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(left, slice)));
    progress_messages();
  }
}

/// A stage that takes time and sends messages of its size.
class WaitingStage final : public StageWork {
 public:
  WaitingStage(const Comm& pipeline, std::int64_t slots, const StageTimes& times,
               std::int64_t message_bytes)
      : pipeline_(pipeline),
        slots_(slots),
        times_(times),
        values_(static_cast<std::size_t>(message_bytes) / sizeof(float) *
                static_cast<std::size_t>(slots) * buffers) {}

  std::int64_t slots() const override { return slots_; }
  void begin_step() override {}
  void forward(std::int64_t, std::int64_t, Mode, Turn) override { pass_time(times_.forward); }
  void backward(std::int64_t, Pass pass, Turn) override {
    if (pass != Pass::weights) pass_time(times_.input);
    if (pass != Pass::input) pass_time(times_.weight);
  }
  Vec input(std::int64_t slot) override { return buffer(slot, 0); }
  Vec output(std::int64_t slot) override { return buffer(slot, 1); }
  Vec input_gradient(std::int64_t slot) override { return buffer(slot, 2); }
  Vec output_gradient(std::int64_t slot) override { return buffer(slot, 3); }
  Vec fed_back(std::int64_t slot) override { return buffer(slot, 4); }
  void reduce() override {}
  void send_tied(int) override {}
  void receive_tied(int) override {}
  void share_norms() override {
    std::vector<double> square = {1.0};
    pipeline_.sum_in_order(square);
  }
  void finish_sums() override {}
  void update() override {}

 private:
  static constexpr std::size_t buffers = 5;
  Vec buffer(std::int64_t slot, std::int64_t which) {
    const auto size =
        static_cast<std::int64_t>(values_.size() / buffers / static_cast<std::size_t>(slots_));
    return {values_.data() + (slot * static_cast<std::int64_t>(buffers) + which) * size, size};
  }

  const Comm& pipeline_;
  std::int64_t slots_;
  StageTimes times_;
  std::vector<float> values_;
};

/// What a rule makes of equal stages.
struct BenchRule {
  const char* name;
  Signal signal;
};
constexpr BenchRule backpropagation{"bp", Signal::chained}, feedback{"dfa", Signal::direct};

std::vector<StageRole> roles_of(const BenchRule& rule, std::int64_t stages) {
  const bool chains = rule.signal == Signal::chained;
  std::vector<StageRole> roles(static_cast<std::size_t>(stages), {true, true, chains, !chains});
  roles.back().takes_gradient = roles.back().takes_error = false;
  return roles;
}

Plan plan_of(const std::string& schedule, const BenchRule& rule, std::int64_t in_flight,
             std::int32_t ranks, const ScheduleBenchOptions& options) {
  const ScheduleFacts& facts = *find_schedule(schedule);
  const std::int64_t v = std::clamp<std::int64_t>(
      options.virtual_stages, facts.least_virtual_stages, facts.most_virtual_stages);
  return make_plan({.schedule = schedule,
                    .ranks = ranks,
                    .virtual_stages = static_cast<std::int32_t>(v),
                    .micro_batches = static_cast<std::int32_t>(options.micro_batches),
                    .in_flight = static_cast<std::int32_t>(in_flight),
                    .roles = roles_of(rule, ranks * v),
                    .ties = {.global_norm = options.clip == Clip::global}});
}

/// The largest number of whole ranks' activations that a rank holds.
double most_in_memory(const Plan& plan, const std::vector<std::int32_t>& slots) {
  std::vector<double> held(static_cast<std::size_t>(plan.ranks()), 0.0);
  const double share = static_cast<double>(plan.ranks()) / plan.stages();
  for (std::size_t s = 0; s < slots.size(); ++s)
    held[static_cast<std::size_t>(plan.rank_of[s])] += share * slots[s];
  return *std::max_element(held.begin(), held.end());
}

ScheduleTimes time_plan(const Comm& world, const Plan& plan, const BenchRule& rule,
                        std::int64_t in_flight, const ScheduleBenchOptions& options) {
  const std::vector<std::int32_t> slots = rehearse(plan).slots;
  const std::int64_t v = plan.stages() / plan.ranks();
  const double share = 1.0 / static_cast<double>(v);
  const StageTimes times{.forward = options.forward * share,
                         .input = options.input * share,
                         .weight = options.weight * share};
  std::vector<std::unique_ptr<WaitingStage>> stages;
  std::vector<StageWork*> work(slots.size(), nullptr);
  for (std::size_t s = 0; s < slots.size(); ++s) {
    if (plan.rank_of[s] != world.rank()) continue;
    stages.push_back(std::make_unique<WaitingStage>(world, slots[s], times, options.message_bytes));
    work[s] = stages.back().get();
  }
  Trace trace;
  const Device on;
  const ArrayComm pipeline(world, on, routes_between_stages(plan));
  Engine engine(pipeline, work, trace);
  const std::int64_t warm_up = 2;
  world.barrier();
  double start = 0, traced_before = 0;
  const auto traced = [&] {
    return std::accumulate(trace.seconds().begin(), trace.seconds().end(), 0.0);
  };
  for (std::int64_t step = 0; step < warm_up + options.steps; ++step) {
    if (step == warm_up) {
      start = seconds_now();
      traced_before = traced();
    }
    trace.begin_step();
    engine.run(plan, Mode::learn, step);
    trace.end_step();
  }
  const double end = seconds_now();
  engine.finish();
  const auto actions =
      static_cast<double>(plan.rows[static_cast<std::size_t>(world.rank())].size());
  const auto steps = static_cast<double>(options.steps);
  // What is neither computing nor waiting.
  const double own = (end - start) - (traced() - traced_before);

  ScheduleTimes result{};
  result.schedule = plan.schedule;
  result.rule = rule.name;
  result.compute = static_cast<double>(options.micro_batches) *
                   (options.forward + options.input + options.weight);
  result.measured = world.sum((end - start) / steps) / world.size();
  const Workload workload{.times = std::vector<StageTimes>(slots.size(), times)};
  const Simulation simulation = simulate(plan, slots, workload, {.steps = 12});
  result.simulated = simulation.step;
  result.idle_theory = idle_in_theory(
      plan.schedule, {.signal = rule.signal,
                      .ranks = plan.ranks(),
                      .virtual_stages = static_cast<std::int32_t>(v),
                      .micro_batches = plan.micro_batches,
                      .in_flight = static_cast<std::int32_t>(in_flight),
                      .forward = options.forward,
                      .input = options.input,
                      .weight = options.weight,
                      .steps = options.clip == Clip::global ? EqualRanks::Steps::meet
                                                            : EqualRanks::Steps::run_on});
  result.most_in_memory = most_in_memory(plan, slots);
  result.overhead_per_action = world.max(own / steps / actions);
  double messages = 0;
  for (const Action& action : plan.rows[static_cast<std::size_t>(world.rank())])
    messages += is_send(action.op);
  result.bytes_sent = world.sum(messages * static_cast<double>(options.message_bytes));
  return result;
}

}  // namespace

std::vector<ScheduleTimes> time_schedules(const Comm& world, const ScheduleBenchOptions& options) {
  std::vector<ScheduleTimes> times;
  for (const ScheduleFacts& facts : schedules) {
    const std::string name(facts.name);
    if (!options.schedules.empty() && std::find(options.schedules.begin(), options.schedules.end(),
                                                name) == options.schedules.end())
      continue;
    const bool unlocks = name == "unlocked";
    for (const BenchRule& rule : {backpropagation, feedback}) {
      // Direct feedback is shown where nothing has to be split for it.
      const bool fits = rule.signal == Signal::chained ? !unlocks : unlocks || name == "1f1b";
      if (!fits) continue;
      const std::int64_t p = world.size(), in_flight = unlocks ? options.in_flight : 0;
      const Plan plan = plan_of(name, rule, in_flight, world.size(), options);
      times.push_back(time_plan(world, plan, rule, in_flight, options));
      if (unlocks) times.back().in_flight = in_flight > 0 ? in_flight : p;
    }
  }
  return times;
}

}  // namespace dfascale
