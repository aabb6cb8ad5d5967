#include "train/learner.hpp"

#include <bit>
#include <cmath>

#include "base/error.hpp"
#include "base/log.hpp"
#include "credit/backward.hpp"
#include "kernels/reduce.hpp"
#include "kernels/residual.hpp"

namespace dfascale {

StageLayout whole_model_layout(const Shape& shape, std::int64_t micro_batch_sequences,
                               Precision precision) {
  return {.range = whole_model(shape.layers),
          .sequences = micro_batch_sequences,
          .precision = precision};
}

void warn_if_widened(Precision precision) {
  if (Gemm::support(precision) == Support::widened)
    log::warn(
        "precision = \"bf16\": {} has no bf16 instructions here that are faster than f32 (AMX, or "
        "AVX512-BF16 of AMD); products round as they would and compute in f32, which saves memory "
        "but no time",
        Gemm::library());
}

GradientTaker::GradientTaker(Arena& arena, const Device& on, Gemm& gemm, const Shape& shape,
                             const Rule& rule, const StageLayout& layout)
    : on_(on),
      table_(shape, rule, layout.range),
      gradients_(arena.vec(table_.trained_size())),
      loss_sum_(arena.vector<double>(1)),
      stage_(arena, on, gemm, shape, rule, layout) {}

void GradientTaker::bind(const ParameterTable& of_values, ConstVec values,
                         const FeedbackMatrix& feedback) {
  stage_.bind(of_values, values, table_, gradients_, feedback);
}

void GradientTaker::begin() {
  stage_.begin_gradients();
  begin_evaluation();
}

void GradientTaker::begin_evaluation() {
  const double zero = 0;
  copy_to_device(on_, loss_sum_.data, &zero, sizeof zero);
  stage_.round_weights();
}

/// Over all blocks: with transfers between them they are not recorded.
template <class Work>
void GradientTaker::passage(const Passage& passage, const Work& work) {
  if (stage_.offload.is_used()) return work();
  stage_.replay(passage, work);
}

void GradientTaker::forward(std::int64_t at, float scale) {
  const bool learns = stage_.range.has_head;
  const Into weights = learns ? stage_.fresh.first_into(stage_.shape.layers) : Into::add;
  passage({"forward", {at, std::bit_cast<std::int32_t>(scale), static_cast<std::int64_t>(weights)}},
          [&] {
            stage_.forward(slot(at));
            if (!learns) return;
            learn_head(stage_, slot(at), scale, weights);
            add_sum(on_, loss_sum_.data, stage_.head.losses);
          });
}

void GradientTaker::backward(std::int64_t at, Pass pass,
                             const std::function<void(std::int64_t)>& done) {
  dfascale::backward(stage_, at, pass, done);
}

void GradientTaker::evaluate(std::int64_t at, std::int64_t sequences) {
  passage({"evaluation", {at, sequences}}, [&] {
    stage_.forward_only(slot(at));
    if (!stage_.range.has_head) return;
    stage_.evaluate(slot(at));
    add_sum(on_, loss_sum_.data, stage_.head.losses.part(0, sequences * stage_.shape.context));
  });
}

void GradientTaker::learn(Tokens inputs, Tokens targets, float scale) {
  slot(0).micro_batch.load(on_, inputs, targets);
  forward(0, scale);
  backward(0, Pass::all);
}

void GradientTaker::evaluate(Tokens inputs, Tokens targets, std::int64_t sequences) {
  slot(0).micro_batch.load(on_, inputs, targets);
  evaluate(0, sequences);
}

std::vector<float> GradientTaker::logits_after(Tokens inputs, std::int64_t place) {
  slot(0).micro_batch.load(on_, inputs, inputs);  // targets are not looked at
  stage_.forward_only(slot(0));
  const ConstStored logits = stage_.head.logits_after(on_, stage_.gemm, slot(0).output(), place);
  const auto vocab = static_cast<std::size_t>(stage_.shape.vocab);
  std::vector<float> values;
  with_type(logits.precision, [&]<class T>(T) {
    std::vector<T> host(vocab);
    copy_to_host(on_, host.data(), logits.data, vocab * sizeof(T));
    values.assign(host.begin(), host.end());
  });
  return values;
}

double GradientTaker::loss_sum() const {
  double sum = 0;
  copy_to_host(on_, &sum, loss_sum_.data, sizeof sum);
  return sum;
}

bool GradientTaker::is_finite(ConstVec values) const {
  sum_of_squares(on_, loss_sum_.data, values);
  return std::isfinite(loss_sum());
}

std::string GradientTaker::first_not_finite(std::int64_t at) const {
  const Slot& slot = stage_.slots[static_cast<std::size_t>(at)];
  if (!is_finite(ConstMat(slot.x).flat()))
    return stage_.range.has_embedding ? "embedding" : "the stage's input";
  for (std::size_t i = 0; i < slot.blocks.size(); ++i)
    if (!is_finite(ConstMat(slot.blocks[i].act.y).flat()))
      return "block " + std::to_string(stage_.range.first + static_cast<std::int64_t>(i));
  return !stage_.range.has_head || is_finite(stage_.head.losses) ? "" : "head";
}

namespace {

Shard own_shard(const std::vector<std::int64_t>& cuts, std::int64_t replica) {
  const auto r = static_cast<std::size_t>(replica);
  return {cuts[r], cuts[r + 1]};
}

}  // namespace

Learner::Learner(Arena& arena, const Device& on, Gemm& gemm, const Shape& shape, const Rule& rule,
                 const OptimSettings& optim, const StageLayout& layout, const Sharding& sharding)
    : on_(on),
      feedback_(shape, rule, layout.range, layout.precision),
      taker_(arena, on, gemm, shape, rule, layout),
      cuts_(shard_cuts(taker_.table(), sharding.replicas)),
      adamw_(taker_.table(), shape, rule, optim, own_shard(cuts_, sharding.replica)) {
  constexpr auto float_bytes = static_cast<std::int64_t>(sizeof(float));
  const std::int64_t gradients = table().trained_size() * float_bytes;
  const std::int64_t stage = arena.bytes() - gradients;
  values_ = arena.vec(table().values_size());
  std::int64_t before = arena.bytes();
  adamw_.lay_out(arena, on);
  const std::int64_t moments = arena.bytes() - before;
  before = arena.bytes();
  feedback_.lay_out(arena);
  memory_ = {{"parameters", table().values_size() * float_bytes},
             {"gradients", gradients},
             {"optimiser moments", moments},
             {"feedback matrix", arena.bytes() - before},
             {"activations and workspace", stage}};
  taker_.bind(table(), values_, feedback_);
}

void Learner::initialise_parameters(std::uint64_t seed, double init_std) {
  initialise(on_, table(), values_, seed, init_std);
}

void Learner::check_parameters() const {
  for (const Parameter& p : table().all())
    if (p.held() && !taker_.is_finite(vector_of(p, Buffer::values, ConstVec(values_))))
      fail(Exit::numerical, "{} is not finite", p.name);
}

std::vector<float> download(const Device& on, const Parameter& p, Buffer kind, ConstVec buffer) {
  std::vector<float> rows(static_cast<std::size_t>(p.size()));
  copy_to_host(on, rows.data(), vector_of(p, kind, buffer).data, rows.size() * sizeof(float));
  return rows;
}

void upload(const Device& on, const Parameter& p, Buffer kind, Vec buffer, const float* rows) {
  copy_to_device(on, vector_of(p, kind, buffer).data, rows,
                 static_cast<std::size_t>(p.size()) * sizeof(float));
}

}  // namespace dfascale
