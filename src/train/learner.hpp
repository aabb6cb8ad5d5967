// Everything a stage needs to take steps: parameters, gradients, optimiser, feedback matrix and
// activations, in one arena.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "credit/feedback.hpp"
#include "deck/settings.hpp"
#include "kernels/gemm.hpp"
#include "model/arena.hpp"
#include "model/parameters.hpp"
#include "model/stage.hpp"
#include "optim/adamw.hpp"

namespace dfascale {

inline Shape shape_of(const ModelSettings& m) {
  return {m.layers, m.width, m.heads, m.context, m.vocab, m.tied, m.activation};
}

/// The whole model on one rank, one micro-batch at a time.
StageLayout whole_model_layout(const Shape& shape, std::int64_t micro_batch_sequences,
                               Precision precision = Precision::f32);

/// Says so where the processor has no instructions for a precision.
void warn_if_widened(Precision precision);

/// Takes gradients under a rule, over somebody else's parameter values: a stage and one set of
/// gradients.
class GradientTaker {
 public:
  GradientTaker(Arena& arena, const Device& on, Gemm& gemm, const Shape& shape, const Rule& rule,
                const StageLayout& layout);
  /// `values` are laid out as a table says, of the same stage, whose rule may be another.
  void bind(const ParameterTable& of_values, ConstVec values, const FeedbackMatrix& feedback);

  /// A step begins: gradients and the sum of losses to zero (weights' gradients: to be
  /// overwritten). To be called when parameters have changed.
  void begin();
  /// Only the sum of losses to zero, before evaluate(); likewise.
  void begin_evaluation();

  /// One micro-batch's forward, in a slot whose tokens are loaded or whose input was received; on
  /// the last stage also the head's learning, whose losses are added: gradients of scale * losses.
  void forward(std::int64_t slot, float scale);
  /// Adds the stage's gradients (credit/backward.hpp).
  void backward(std::int64_t slot, Pass pass, const std::function<void(std::int64_t)>& done = {});
  /// Forward only; the last stage adds the losses of the first `sequences` sequences.
  void evaluate(std::int64_t slot, std::int64_t sequences);

  /// The whole model on one micro-batch of host tokens, B*T each: adds its losses, and scale *
  /// their gradients.
  void learn(Tokens inputs, Tokens targets, float scale);
  /// Likewise forward only; adds the losses of the first `sequences` sequences.
  void evaluate(Tokens inputs, Tokens targets, std::int64_t sequences);
  /// Logits of the token that follows place `place` of the first sequence, for the model's
  /// vocabulary without padding, on the host.
  std::vector<float> logits_after(Tokens inputs, std::int64_t place);
  /// Sum of the losses of all tokens since begin, in nats; waits for the device.
  double loss_sum() const;

  /// "block 3": the first place in the stage, from its input up, whose output in a slot is not
  /// finite; empty if all are.
  std::string first_not_finite(std::int64_t slot) const;
  /// Whether no element is NaN or infinite.  Uses the place of the sum of losses.
  bool is_finite(ConstVec values) const;

  const ParameterTable& table() const { return table_; }
  Vec gradients() const { return gradients_; }
  const Stage& stage() const { return stage_; }
  /// Where blocks send what they do not keep, if any do: from this place on.
  void connect(ActivationStore& store, std::int64_t place) { stage_.offload.connect(store, place); }
  Slot& slot(std::int64_t i) { return stage_.slots[static_cast<std::size_t>(i)]; }

 private:
  template <class Work>
  void passage(const Passage& passage, const Work& work);

  const Device& on_;
  ParameterTable table_;
  Vec gradients_;
  Vector<double> loss_sum_;
  Stage stage_;
};

/// What memory is for, in bytes.
struct MemoryRow {
  std::string what;
  std::int64_t bytes;
};

/// Over which replicas optimiser state is sharded (ZeRO-1), and which of them this one is.
struct Sharding {
  std::int64_t replicas = 1, replica = 0;
};

/// A stage with what its steps need.
class Learner {
 public:
  /// Lays itself out; parameters, feedback and moments are set by initialise() or from a file. Make
  /// it with make_in().
  Learner(Arena& arena, const Device& on, Gemm& gemm, const Shape& shape, const Rule& rule,
          const OptimSettings& optim, const StageLayout& layout, const Sharding& sharding = {});

  /// Parameters from the seed.
  void initialise_parameters(std::uint64_t seed, double init_std);
  /// Feedback from the seed.
  void draw_feedback(std::uint64_t seed) { feedback_.draw(on_, seed); }
  void reset_moments() { adamw_.reset(on_); }

  /// One step of a whole model that nobody else holds; `step` counts from 1.
  void update(std::int64_t step, double learning_rate) {
    update(step, learning_rate, adamw_.norms(adamw_.squares(on_, gradients())));
  }
  void update(std::int64_t step, double learning_rate, const GradientNorms& norms) {
    adamw_.update(on_, values_, gradients(), step, learning_rate, norms);
  }

  /// Error(Exit::numerical) naming the first tensor that is not finite: no checkpoint is to hold
  /// it.
  void check_parameters() const;

  GradientTaker& taker() { return taker_; }
  const GradientTaker& taker() const { return taker_; }
  AdamW& adamw() { return adamw_; }
  const ParameterTable& table() const { return taker_.table(); }
  Vec values() const { return values_; }
  Vec gradients() const { return taker_.gradients(); }
  /// Of the shard's part of the trained tensors.
  Vec first_moment() const { return adamw_.first_moment(); }
  Vec second_moment() const { return adamw_.second_moment(); }
  const Shard& shard() const { return adamw_.shard(); }
  /// Where the buffers of trained tensors are cut for the replicas.
  const std::vector<std::int64_t>& cuts() const { return cuts_; }
  FeedbackMatrix& feedback() { return feedback_; }
  const Device& device() const { return on_; }
  const std::vector<MemoryRow>& memory() const { return memory_; }

 private:
  const Device& on_;
  std::vector<MemoryRow> memory_;
  FeedbackMatrix feedback_;
  GradientTaker taker_;
  std::vector<std::int64_t> cuts_;
  AdamW adamw_;
  Vec values_;
};

/// Logical rows of a tensor in a buffer, on the host, and back: what files hold.
std::vector<float> download(const Device& on, const Parameter& p, Buffer kind, ConstVec buffer);
void upload(const Device& on, const Parameter& p, Buffer kind, Vec buffer, const float* rows);

}  // namespace dfascale
