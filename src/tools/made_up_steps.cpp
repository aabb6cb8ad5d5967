#include "tools/made_up_steps.hpp"

#include "base/clock.hpp"
#include "kernels/random.hpp"
#include "optim/rate.hpp"

namespace dfascale {

MadeUpSteps::MadeUpSteps(const Comm& comm, const Device& on, Gemm& gemm, const Settings& s,
                         const Training& training)
    : comm_(comm), on_(on), settings_(s), model_(comm, on, gemm, training) {
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

double MadeUpSteps::step() {
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

}  // namespace dfascale
