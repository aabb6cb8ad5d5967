#include "tools/golden_check.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.hpp"
#include "tools/golden_rule.hpp"
#include "train/parallel_learner.hpp"

namespace dfascale {
namespace {

// Float32 against float64 (docs/numerics.md, "Golden files").
constexpr double loss_tolerance = 1e-6;
constexpr double gradient_tolerance = 2e-5;
// Of gradients whose true value is zero: the key part of attn.qkv.bias.
constexpr double zero_tolerance = 1e-7;
// An element whose gradient is near AdamW's eps moves by a visible part of the learning rate and
// takes others with it.
constexpr double steps_quantile = 0.999, steps_quantile_tolerance = 5e-6,
                 steps_worst_tolerance = 1e-3;
// Loss curves of float32 programs drift apart when a ReLU changes sign.  The file holds how far
// another program drifted; allowed is ten times that, taken up to the end of the next window, since
// the first flip may come earlier here.
constexpr double drift_factor = 10, drift_floor = 5e-6;
constexpr std::int64_t drift_windows[] = {20, 40, 100, std::numeric_limits<std::int64_t>::max()};
// bf16 flips ReLUs: gradients are compared by their norm, losses relatively, steps not at all.
constexpr double bf16_loss_tolerance = 2e-3, bf16_gradient_tolerance = 0.25,
                 bf16_curve_tolerance = 5e-3;

/// max|a - b| and max|b| over the elements added; in bf16 the sums of their squares.
struct Difference {
  double error = 0, scale = 0;
  double squares = 0, squares_of_theirs = 0;
  void add(double a, double b) {
    const double off = std::abs(a - b);
    error = std::isnan(off) ? std::numeric_limits<double>::infinity() : std::max(error, off);
    scale = std::max(scale, std::abs(b));
    squares += off * off;
    squares_of_theirs += b * b;
  }
  /// Of all ranks.
  void join(const Comm& comm) {
    std::vector<double> most = {error, scale};
    comm.max(most);
    error = most[0];
    scale = most[1];
    squares = comm.sum(squares);
    squares_of_theirs = comm.sum(squares_of_theirs);
  }
  /// Relative to max|b|, or absolute where b is all zero.
  Comparison against(const std::string& what, double relative_tolerance) const {
    return scale > 0 ? Comparison{what, error / scale, relative_tolerance}
                     : Comparison{what, error, zero_tolerance};
  }
  /// By norms.
  Comparison by_norm(const std::string& what, double tolerance) const {
    const double relative = std::sqrt(squares) / std::sqrt(squares_of_theirs);
    return {what, std::isnan(relative) ? std::numeric_limits<double>::infinity() : relative,
            tolerance};
  }
};

bool is_qkv_bias(const std::string& name) { return name.ends_with("attn.qkv.bias"); }

/// Elements of a tensor that softmax ignores: keys' biases.
bool is_key_bias(const std::string& name, std::size_t element, std::int64_t width) {
  const auto i = static_cast<std::int64_t>(element);
  return is_qkv_bias(name) && i >= width && i < 2 * width;
}

/// One variant set up: a model at the file's parameters, and the way through its batches.
class Check {
 public:
  Check(const Comm& comm, const Device& on, Gemm& gemm, const Golden& golden,
        const GoldenVariant& variant, const ParallelSettings& layout, Precision precision);

  void compare_gradients(VariantResult& result);
  void compare_steps(VariantResult& result, const std::string& name, const GoldenSteps& steps);
  void compare_curve(VariantResult& result, const GoldenCurve& curve);

 private:
  void start(double clip);
  bool is_exact() const { return precision_ == Precision::f32; }
  void load(Learner& learner) const;
  /// This replica's micro-batches of one batch of the file.
  TokenSource tokens_of(std::int64_t batch) const;
  /// Mean loss of the batch that was trained on last.
  double loss() const;
  void compare_own(const Learner& learner, const std::string& name,
                   const std::vector<double>& theirs, Difference& rest, Difference& keys) const;
  std::vector<double> parameter_errors(const GoldenSteps& steps) const;

  const Comm& comm_;
  const Device& on_;
  Gemm& gemm_;
  const Golden& golden_;
  const GoldenVariant& variant_;
  ParallelSettings layout_;
  Precision precision_;
  Shape shape_;
  Rule rule_;
  std::unique_ptr<ParallelLearner> model_;
};

Check::Check(const Comm& comm, const Device& on, Gemm& gemm, const Golden& golden,
             const GoldenVariant& variant, const ParallelSettings& layout, Precision precision)
    : comm_(comm),
      on_(on),
      gemm_(gemm),
      golden_(golden),
      variant_(variant),
      layout_(layout),
      precision_(precision) {
  shape_ = {golden.layers, golden.width, golden.heads,    golden.context,
            golden.vocab,  golden.tied,  Activation::relu};
  rule_ = rule_of(variant);
  if (golden.batch % (layout.dp * layout.micro_batches) != 0)
    fail(Exit::usage, "{}: {} sequences cannot be dealt out to {} replica(s) x {} micro-batch(es)",
         golden.path, golden.batch, layout.dp, layout.micro_batches);
}

/// A fresh model at the file's parameters.
void Check::start(double clip) {
  OptimSettings optim{};
  optim.learning_rate = golden_.learning_rate;
  optim.beta1 = golden_.beta1;
  optim.beta2 = golden_.beta2;
  optim.eps = golden_.adam_eps;
  optim.weight_decay = golden_.weight_decay;
  optim.clip = clip > 0 ? Clip::global : Clip::none;
  optim.clip_norm = clip;
  optim.batch_sequences = golden_.batch;
  optim.precision = precision_;
  model_.reset();
  model_ = std::make_unique<ParallelLearner>(
      comm_, on_, gemm_,
      Training{shape_, rule_, optim, layout_,
               golden_.batch / (layout_.dp * layout_.micro_batches)});
  model_->initialise_parameters(0, 0);  // padding to zero
  model_->reset_moments();
  for (Learner* learner : model_->learners()) load(*learner);
}

void Check::load(Learner& learner) const {
  for (const Parameter& p : learner.table().all()) {
    const auto found = golden_.params.find(p.name);
    if (found == golden_.params.end() ||
        static_cast<std::int64_t>(found->second.size()) != p.size())
      fail(Exit::data, "{}: params/{} is missing or not [{}, {}]", golden_.path, p.name, p.rows,
           p.cols);
    if (p.held()) upload(on_, p, Buffer::values, learner.values(), found->second.data());
  }
  if (!learner.feedback().matrix()) return;
  const std::string name = rule_.error == ErrorTap::logits ? "logits" : "preprojector";
  const auto found = golden_.feedback.find(name);
  if (found == golden_.feedback.end())
    fail(Exit::data, "{}: feedback/{} is missing", golden_.path, name);
  learner.feedback().assign(on_, found->second.values, found->second.cols);
}

TokenSource Check::tokens_of(std::int64_t batch) const {
  const std::int64_t T = golden_.context, B = golden_.batch, M = layout_.micro_batches,
                     each = B / (layout_.dp * M), replica = model_->grid().replica;
  return [=, this](std::int64_t m, Batch& to) {
    to.inputs.clear();
    to.targets.clear();
    const std::int64_t first = (replica * M + m) * each;
    for (std::int64_t b = first; b < first + each; ++b) {
      const auto row = golden_.tokens.begin() + (batch * B + b) * (T + 1);
      to.inputs.insert(to.inputs.end(), row, row + T);
      to.targets.insert(to.targets.end(), row + 1, row + T + 1);
    }
    return each;
  };
}

double Check::loss() const {
  return comm_.sum(model_->loss_sum()) / static_cast<double>(golden_.batch * golden_.context);
}

/// What this rank has of a tensor's summed gradient: all, or the shard's rows.
void Check::compare_own(const Learner& learner, const std::string& name,
                        const std::vector<double>& theirs, Difference& rest,
                        Difference& keys) const {
  const Parameter& p = learner.table().find(name);
  if (!p.held() || !p.trained) return;
  const std::vector<float> ours = download(on_, p, Buffer::trained, learner.gradients());
  const ShardRows rows =
      p.is_summed_everywhere ? ShardRows{0, p.rows} : rows_in(p, learner.shard());
  for (std::int64_t i = rows.first_row * p.cols; i < (rows.first_row + rows.rows) * p.cols; ++i) {
    const auto e = static_cast<std::size_t>(i);
    (is_key_bias(p.name, e, shape_.width) ? keys : rest)
        .add(static_cast<double>(ours[e]), theirs[e]);
  }
}

void Check::compare_gradients(VariantResult& result) {
  start(0);
  model_->take_gradients(tokens_of(0));
  result.comparisons.push_back({"loss", std::abs(loss() / variant_.loss - 1),
                                is_exact() ? loss_tolerance : bf16_loss_tolerance});
  for (std::size_t i = 0; i < golden_.parameter_names.size(); ++i) {
    const std::string& name = golden_.parameter_names[i];
    const bool trained_here = model_->learners().front()->table().find(name).trained;
    const bool trained = variant_.trained[i] != 0;
    if (trained_here != trained) {
      const double error = std::numeric_limits<double>::infinity();
      result.comparisons.push_back(
          {name + (trained ? " (frozen here)" : " (trained here)"), error, 0});
    }
    if (!trained_here || !trained) continue;
    Difference rest, keys;
    for (const Learner* learner : model_->learners())
      compare_own(*learner, name, variant_.grads.at(name), rest, keys);
    rest.join(comm_);
    keys.join(comm_);
    result.comparisons.push_back(is_exact() ? rest.against(name, gradient_tolerance)
                                            : rest.by_norm(name, bf16_gradient_tolerance));
    if (is_exact() && is_qkv_bias(name))
      result.comparisons.push_back({name + " (keys)", keys.error,
                                    std::max(zero_tolerance, gradient_tolerance * keys.scale)});
  }
  model_->finish();
}

/// Of every element of every stage of the first replica, on all ranks.
std::vector<double> Check::parameter_errors(const GoldenSteps& steps) const {
  std::vector<double> own;
  for (const Learner* learner : model_->learners()) {
    for (const Parameter& p : learner->table().all()) {
      if (!p.held() || model_->grid().replica != 0) continue;
      const std::vector<float> ours = download(on_, p, Buffer::values, learner->values());
      const std::vector<double>& theirs = steps.params.at(p.name);
      for (std::size_t e = 0; e < ours.size(); ++e)
        if (!is_key_bias(p.name, e, shape_.width))
          own.push_back(std::abs(static_cast<double>(ours[e]) - theirs[e]));
    }
  }
  std::string joined;
  for (const std::string& part : comm_.gather(
           std::string(reinterpret_cast<const char*>(own.data()), own.size() * sizeof(double))))
    joined += part;
  comm_.broadcast(joined);
  std::vector<double> all(joined.size() / sizeof(double));
  std::memcpy(all.data(), joined.data(), joined.size());
  return all;
}

void Check::compare_steps(VariantResult& result, const std::string& name,
                          const GoldenSteps& steps) {
  start(steps.grad_clip);
  for (std::int64_t step = 1; step <= static_cast<std::int64_t>(steps.grad_norm.size()); ++step)
    model_->step(step, golden_.learning_rate, tokens_of(0));
  model_->finish();
  std::vector<double> errors = parameter_errors(steps);
  for (double& error : errors)
    if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
  std::sort(errors.begin(), errors.end());
  const auto at =
      static_cast<std::size_t>(std::ceil(steps_quantile * static_cast<double>(errors.size()))) - 1;
  result.comparisons.push_back({name + " (99.9 %)", errors[at], steps_quantile_tolerance});
  result.comparisons.push_back({name + " (worst)", errors.back(), steps_worst_tolerance});
}

/// Ten times the other float32 program's drift before step `end`; files may lack that program.
double allowed_drift(const GoldenCurve& curve, std::int64_t end) {
  double allowed = drift_floor;
  if (curve.loss_float32.empty()) return allowed;
  for (std::size_t s = 0; s < std::min(curve.loss.size(), static_cast<std::size_t>(end)); ++s)
    allowed = std::max(allowed, drift_factor * std::abs(curve.loss[s] - curve.loss_float32[s]));
  return allowed;
}

void Check::compare_curve(VariantResult& result, const GoldenCurve& curve) {
  start(curve.grad_clip);
  const auto steps = static_cast<std::int64_t>(curve.loss.size());
  std::int64_t first = 0;
  for (std::size_t window = 0; first < steps; ++window) {
    const std::int64_t last = std::min(drift_windows[window], steps);
    const std::int64_t next = drift_windows[std::min(window + 1, std::size(drift_windows) - 1)];
    double error = 0;
    for (std::int64_t s = first; s < last; ++s) {
      model_->step(s + 1, golden_.learning_rate, tokens_of(s));
      const double off = std::abs(loss() - curve.loss[static_cast<std::size_t>(s)]);
      error = std::isnan(off) ? std::numeric_limits<double>::infinity() : std::max(error, off);
    }
    const double least = *std::min_element(curve.loss.begin() + first, curve.loss.begin() + last);
    result.comparisons.push_back(
        {fmt::format("loss, steps {}..{}", first, last - 1), error,
         is_exact() ? allowed_drift(curve, next) : bf16_curve_tolerance * least});
    first = last;
  }
}

}  // namespace

bool VariantResult::passed() const {
  return std::all_of(comparisons.begin(), comparisons.end(),
                     [](const Comparison& c) { return c.passed(); });
}

const Comparison& VariantResult::worst() const {
  return *std::max_element(comparisons.begin(), comparisons.end(),
                           [](const Comparison& a, const Comparison& b) {
                             return a.error * b.allowed < b.error * a.allowed;
                           });
}

VariantResult check_variant(const Comm& comm, const Device& on, Gemm& gemm, const Golden& golden,
                            const GoldenVariant& variant, const ParallelSettings& layout,
                            Precision precision) {
  Check check(comm, on, gemm, golden, variant, layout, precision);
  VariantResult result{variant.name, {}};
  if (variant.curve) {
    check.compare_curve(result, *variant.curve);
    return result;
  }
  check.compare_gradients(result);
  if (precision != Precision::f32) return result;
  if (variant.after3) check.compare_steps(result, "after3", *variant.after3);
  if (variant.after3_clip) check.compare_steps(result, "after3_clip", *variant.after3_clip);
  return result;
}

}  // namespace dfascale
