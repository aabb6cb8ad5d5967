#include "tools/step_bench.hpp"

#include <algorithm>
#include <fstream>
#include <numeric>

#include "base/clock.hpp"
#include "kernels/random.hpp"
#include "optim/rate.hpp"
#include "tools/memory.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale {
namespace {

/// What kernels do, by name; those not listed are "other".
const std::map<std::string, const char*> kernel_groups = {{"activation", "activation"},
                                                          {"activation_back", "activation"},
                                                          {"adamw", "optimiser"},
                                                          {"sum_of_squares", "gradient norms"},
                                                          {"softmax", "attention softmax"},
                                                          {"softmax_back", "attention softmax"},
                                                          {"embed_forward", "embedding"},
                                                          {"token_backward", "embedding"},
                                                          {"position_back", "embedding"},
                                                          {"cross_entropy", "loss"},
                                                          {"cross_entropy_g", "loss"},
                                                          {"add_sum", "loss"},
                                                          {"norm_forward", "norm"},
                                                          {"norm_backward", "norm"},
                                                          {"norm_gain", "norm"},
                                                          {"norm_shift", "norm"},
                                                          {"normalize", "norm"},
                                                          {"norm_fold_dw", "norm"},
                                                          {"norm_fold_dg", "norm"},
                                                          {"norm_fold_ds", "norm"},
                                                          {"add", "residual, copies, zeros"},
                                                          {"copy", "residual, copies, zeros"},
                                                          {"fill", "residual, copies, zeros"},
                                                          {"convert", "residual, copies, zeros"},
                                                          {"scale", "residual, copies, zeros"},
                                                          {"bias_backward", "bias gradients"}};

/// What a product is for, by its shape and sides (model/linear.hpp, head.cpp, attention.cpp,
/// feedback.cpp).  With one head, whose size is D, attention's products count as linears.
const char* purpose(const Product& p, const Shape& shape) {
  const std::int64_t head = shape.width / shape.heads, V = shape.padded_vocab();
  const std::int64_t depth = p.a_side == Side::plain ? p.a.cols : p.a.rows;
  const bool gives_weights = p.a_side == Side::turned, goes_forward = p.b_side == Side::turned;
  if (depth == V && goes_forward) return "feedback";
  if (p.c.cols == V) return "projector: forward";
  if (p.c.rows == V && gives_weights) return "projector: weight gradient";
  if (depth == V) return "projector: input gradient";
  if (shape.heads > 1 && (depth == head || p.c.cols == head)) return "attention products";
  if (gives_weights) return "linears: weight gradients";
  if (!goes_forward) return "linears: input gradients";
  return p.bias ? "linears: forward" : "feedback";
}

/// Peak resident bytes since `forget`; Linux keeps it per process.
struct PeakResident {
  static void forget() { std::ofstream("/proc/self/clear_refs") << 5; }
  static std::int64_t bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      if (word != "VmHWM:") continue;
      std::int64_t kibibytes = 0;
      status >> kibibytes;
      return kibibytes * 1024;
    }
    return 0;
  }
};

/// A model at its start, and made-up tokens.
class Bench {
 public:
  Bench(const Comm& comm, const Device& on, Gemm& gemm, const Settings& settings);
  /// One update; wall seconds, the slowest rank's.
  double step();
  const ParallelLearner& model() const { return model_; }

 private:
  const Comm& comm_;
  const Device& on_;
  const Settings& settings_;
  ParallelLearner model_;
  Batch batch_;
  std::int64_t steps_ = 0;
};

Bench::Bench(const Comm& comm, const Device& on, Gemm& gemm, const Settings& s)
    : comm_(comm), on_(on), settings_(s), model_(comm, on, gemm, Training::of(s)) {
  const std::int64_t tokens = s.micro_batch_sequences() * s.model.context;
  model_.draw_feedback(s.run.seed);
  model_.reset_moments();
  model_.initialise_parameters(s.run.seed, s.model.init_std);
  const RandomKey key{s.run.seed, Purpose::test, hash_name("bench")};
  for (std::int64_t i = 0; i <= tokens; ++i) {
    const double place = uniform_at(key, static_cast<std::uint64_t>(i));
    batch_.inputs.push_back(static_cast<std::int32_t>(place * static_cast<double>(s.model.vocab)));
  }
  batch_.targets.assign(batch_.inputs.begin() + 1, batch_.inputs.end());
  batch_.inputs.pop_back();
}

double Bench::step() {
  comm_.barrier();
  const double start = seconds_now();
  const double rate = learning_rate_at(settings_.optim, steps_, settings_.step_tokens());
  model_.step(++steps_, rate, [&](std::int64_t, Batch& batch) {
    batch = batch_;
    return settings_.micro_batch_sequences();
  });
  fence(on_);
  return comm_.max(seconds_now() - start);
}

/// Sums the profile's entries, kernels under their group's name.
std::map<std::string, Profile::Entry> grouped(const std::map<std::string, Profile::Entry>& found) {
  std::map<std::string, Profile::Entry> groups;
  for (const auto& [name, entry] : found) {
    const auto group = kernel_groups.find(name);
    Profile::Entry& sum = groups[group == kernel_groups.end() ? name : group->second];
    sum.calls += entry.calls;
    sum.seconds += entry.seconds;
  }
  return groups;
}

}  // namespace

double StepTimes::median() const {
  const std::size_t n = seconds.size();
  return n % 2 == 1 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
}

double StepTimes::mean() const {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
}

StepTimes time_steps(const Comm& comm, const Device& on, Gemm& gemm, const Settings& settings,
                     std::int64_t steps) {
  const Shape shape = shape_of(settings.model);
  StepTimes result{};
  result.rule = settings.run.method;
  result.flops = flops_per_token(shape, settings.rule);
  result.step_tokens = settings.step_tokens();
  result.predicted_bytes = bytes_of(predicted_memory(settings));
  PeakResident::forget();
  Bench bench(comm, on, gemm, settings);
  bench.step();
  const double start = processor_seconds_now();
  for (std::int64_t i = 0; i < steps; ++i) result.seconds.push_back(bench.step());
  result.processor_seconds = (processor_seconds_now() - start) / static_cast<double>(steps);
  std::sort(result.seconds.begin(), result.seconds.end());
  // On a GPU nothing is given back before the end.
  result.peak_resident_bytes =
      device_memory_is_host() ? PeakResident::bytes() : device_bytes_in_use();
  const Profile profile(on, gemm, [&](const Product& p) { return purpose(p, shape); });
  result.profiled_seconds = bench.step();
  result.operations = grouped(profile.entries());
  return result;
}

}  // namespace dfascale
