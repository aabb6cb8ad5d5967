#include "io/golden.hpp"

#include <filesystem>

#include "base/error.hpp"
#include "io/hdf5.hpp"

namespace dfascale {

namespace {

constexpr std::int64_t format_version = 1;
constexpr Exit exit_code = Exit::data;
constexpr std::int64_t largest_size = 1 << 20;  // so that no product of four overflows by itself
constexpr double most_floats = 1 << 28;         // of a model's activations: golden models are small
constexpr std::int64_t most_steps = 1000;       // of AdamW on one batch
constexpr std::int64_t most_members = 10'000;   // of a group
constexpr std::int64_t most_name_bytes = 1 << 20;

using Shape = std::vector<std::int64_t>;

std::string shown(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// The array, which must have this shape.
std::vector<double> reals(const Hdf5File& file, const std::string& at, const Shape& wanted) {
  if (const Shape found = file.shape(at); found != wanted)
    fail(exit_code, "{}: {} has shape {}, expected {}", file.path(), at, shown(found),
         shown(wanted));
  return file.reals(at);
}

std::vector<double> reals_if_there(const Hdf5File& file, const std::string& at,
                                   const Shape& wanted) {
  return file.has(at) ? reals(file, at, wanted) : std::vector<double>();
}

std::vector<float> floats(const Hdf5File& file, const std::string& at, const Shape& wanted) {
  const auto values = reals(file, at, wanted);
  return {values.begin(), values.end()};
}

std::vector<std::int32_t> integers(const Hdf5File& file, const std::string& at,
                                   const Shape& wanted) {
  if (const Shape found = file.shape(at); found != wanted)
    fail(exit_code, "{}: {} has shape {}, expected {}", file.path(), at, shown(found),
         shown(wanted));
  return file.integers(at);
}

// ---- what all files have

std::int64_t size_attribute(const Hdf5File& file, const char* name) {
  const std::int64_t size = file.integer_attribute("/", name);
  if (size < 1 || size > largest_size)
    fail(exit_code, "{}: attribute {} = {}: expected 1 to {}", file.path(), name, size,
         largest_size);
  return size;
}

// What computing with the model takes, and that it can be computed.
void check_model(const Hdf5File& file, const Golden& golden) {
  const auto B = static_cast<double>(golden.batch), T = static_cast<double>(golden.context),
             D = static_cast<double>(golden.width), H = static_cast<double>(golden.heads),
             V = static_cast<double>(golden.vocab), L = static_cast<double>(golden.layers);
  if (golden.width % golden.heads != 0)
    fail(exit_code, "{}: attribute width = {}: expected a multiple of heads = {}", file.path(),
         golden.width, golden.heads);
  if (B * T * (V + 34 * L * D + L * H * T) > most_floats)
    fail(exit_code,
         "{}: batch, context, vocab, layers and width make a model too large for a golden file",
         file.path());
}

void read_header(const Hdf5File& file, Golden& golden) {
  const std::int64_t version = file.integer_attribute("/", "format_version");
  if (version != format_version)
    fail(exit_code, "{}: golden format {}, this program reads {}", file.path(), version,
         format_version);
  golden.layers = size_attribute(file, "layers");
  golden.width = size_attribute(file, "width");
  golden.heads = size_attribute(file, "heads");
  golden.vocab = size_attribute(file, "vocab");
  golden.context = size_attribute(file, "context");
  golden.batch = size_attribute(file, "batch");
  check_model(file, golden);
  golden.seed = file.integer_attribute("/", "seed");
  golden.tied = file.integer_attribute("/", "tied_projector") != 0;
  golden.layer_norm_eps = file.real_attribute("/", "layer_norm_eps");
  golden.learning_rate = file.real_attribute("/", "learning_rate");
  golden.beta1 = file.real_attribute("/", "beta1");
  golden.beta2 = file.real_attribute("/", "beta2");
  golden.adam_eps = file.real_attribute("/", "adam_eps");
  golden.weight_decay = file.real_attribute("/", "weight_decay");
  if (file.has_attribute("/", "mantissa_bits"))
    golden.mantissa_bits = file.integer_attribute("/", "mantissa_bits");
  if (file.has_attribute("/", "steps")) golden.steps = size_attribute(file, "steps");
}

// As the header says (SPEC section 1); {} for a name that is no parameter's.
Shape shape_of(const std::string& name, const Golden& golden) {
  const auto D = golden.width;
  if (name == "token_embedding.weight" || name == "projector.weight") return {golden.vocab, D};
  if (name == "position_embedding.weight") return {golden.context, D};
  if (name == "final_ln.weight" || name == "final_ln.bias") return {D};
  const std::vector<std::pair<std::string_view, Shape>> of_blocks = {
      {".ln1.weight", {D}},
      {".ln1.bias", {D}},
      {".ln2.weight", {D}},
      {".ln2.bias", {D}},
      {".attn.qkv.bias", {3 * D}},
      {".attn.qkv.weight", {3 * D, D}},
      {".attn.out.weight", {D, D}},
      {".attn.out.bias", {D}},
      {".mlp.fc1.weight", {4 * D, D}},
      {".mlp.fc1.bias", {4 * D}},
      {".mlp.fc2.weight", {D, 4 * D}},
      {".mlp.fc2.bias", {D}}};
  for (const auto& [ending, shape] : of_blocks)
    if (name.starts_with("blocks.") && name.ends_with(ending)) return shape;
  return {};
}

void read_parameters(const Hdf5File& file, Golden& golden) {
  golden.parameter_names = file.texts("/parameter_names", most_name_bytes);
  for (const std::string& name : golden.parameter_names) {
    const Shape shape = shape_of(name, golden);
    if (shape.empty() || golden.shapes.contains(name))
      fail(exit_code, "{}: /parameter_names holds a name that {}", file.path(),
           shape.empty() ? "no parameter has" : "comes twice");
    golden.shapes[name] = shape;
    golden.params[name] = floats(file, "/params/" + name, shape);
  }
  const auto stored = file.children("/params", most_members).size();
  if (stored != golden.params.size())
    fail(exit_code, "{}: /params holds {} arrays, /parameter_names {} names", file.path(), stored,
         golden.params.size());
}

void check_parameter_count(const Hdf5File& file, const Golden& golden) {
  const auto expected = 4 + 12 * golden.layers + (golden.tied ? 0 : 1);
  if (static_cast<std::int64_t>(golden.parameter_names.size()) != expected)
    fail(exit_code, "{}: /parameter_names holds {} names, a model of {} layers has {} parameters",
         file.path(), golden.parameter_names.size(), golden.layers, expected);
}

void read_feedback(const Hdf5File& file, Golden& golden) {
  if (!file.has("/feedback")) return;
  for (const std::string& name : file.children("/feedback", most_members)) {
    const std::string at = "/feedback/" + name;
    const std::int64_t cols = name == "logits" ? golden.vocab : golden.width;
    golden.feedback[name] = {4 * golden.width, cols, floats(file, at, {4 * golden.width, cols})};
  }
}

void read_tokens(const Hdf5File& file, Golden& golden) {
  Shape shape{golden.batch, golden.context + 1};
  if (golden.steps > 0) shape.insert(shape.begin(), golden.steps);
  golden.tokens = integers(file, "/tokens", shape);
  for (const std::int32_t token : golden.tokens)
    if (token < 0 || token >= golden.vocab)
      fail(exit_code, "{}: /tokens holds {}, the vocabulary has {}", file.path(), token,
           golden.vocab);
}

void read_forward(const Hdf5File& file, Golden& golden) {
  const auto B = golden.batch, T = golden.context, D = golden.width, V = golden.vocab;
  golden.hidden = reals_if_there(file, "/forward/x", {golden.layers + 1, B, T, D});
  golden.final_ln_output = reals_if_there(file, "/forward/final_ln_output", {B, T, D});
  golden.logits = reals_if_there(file, "/forward/logits", {B, T, V});
}

// ---- variants

double scalar(const Hdf5File& file, const std::string& at) {
  const auto values = file.reals(at);
  if (values.size() != 1) fail(exit_code, "{}: {} is not one number", file.path(), at);
  return values[0];
}

GoldenTensors read_tensors(const Hdf5File& file, const std::string& at, const Golden& golden) {
  GoldenTensors tensors;
  for (const auto& [name, shape] : golden.shapes)
    tensors[name] = reals(file, at + "/" + name, shape);
  return tensors;
}

void read_options(const Hdf5File& file, const std::string& at, GoldenVariant& variant) {
  for (const std::string& name : file.attributes(at)) {
    const Hdf5Kind kind = file.attribute_kind(at, name);
    if (kind == Hdf5Kind::text) variant.options[name] = file.text_attribute(at, name);
    if (kind == Hdf5Kind::integer)
      variant.options[name] = std::to_string(file.integer_attribute(at, name));
  }
  if (variant.options.count("rule") == 0)
    fail(exit_code, "{}: {}: attribute rule is missing", file.path(), at);
}

std::optional<GoldenSteps> read_steps(const Hdf5File& file, const std::string& at,
                                      const Golden& golden) {
  if (!file.has(at)) return std::nullopt;
  GoldenSteps steps;
  if (file.has_attribute(at, "grad_clip")) steps.grad_clip = file.real_attribute(at, "grad_clip");
  steps.params = read_tensors(file, at, golden);
  steps.grad_norm = file.reals(at + "_grad_norm");
  const auto count = static_cast<std::int64_t>(steps.grad_norm.size());
  if (count > most_steps)
    fail(exit_code, "{}: {} takes {} steps, expected at most {}", file.path(), at, count,
         most_steps);
  steps.loss = reals(file, at + "_loss", {count + 1});
  return steps;
}

void read_error(const Hdf5File& file, const std::string& at, const Golden& golden,
                GoldenVariant& variant) {
  if (!file.has(at)) return;
  const Shape shape = file.shape(at);
  if (shape.size() != 3)
    fail(exit_code, "{}: {} has shape {}, expected (batch, context, width or vocab)", file.path(),
         at, shown(shape));
  variant.error_width = shape[2];
  variant.error = reals(file, at, {golden.batch, golden.context, shape[2]});
}

void read_gradients(const Hdf5File& file, const std::string& at, const Golden& golden,
                    GoldenVariant& variant) {
  variant.loss = scalar(file, at + "/loss");
  if (file.has_attribute(at, "grad_norm")) variant.grad_norm = file.real_attribute(at, "grad_norm");
  variant.grads = read_tensors(file, at + "/grads", golden);
  read_error(file, at + "/error", golden, variant);
  const auto count = static_cast<std::int64_t>(golden.parameter_names.size());
  if (const std::string alignment = at + "/alignment"; file.has(alignment)) {
    variant.alignment.per_parameter = reals(file, alignment + "/per_parameter", {count});
    variant.alignment.per_block = reals(file, alignment + "/per_block", {golden.layers});
    variant.alignment.overall = scalar(file, alignment + "/overall");
  }
  variant.after3 = read_steps(file, at + "/after3", golden);
  variant.after3_clip = read_steps(file, at + "/after3_clip", golden);
}

GoldenCurve read_curve(const Hdf5File& file, const std::string& at, const Golden& golden) {
  const Shape steps{golden.steps};
  GoldenCurve curve;
  if (file.has_attribute(at, "grad_clip")) curve.grad_clip = file.real_attribute(at, "grad_clip");
  curve.loss = reals(file, at + "/loss", steps);
  curve.grad_norm = reals(file, at + "/grad_norm", steps);
  curve.loss_float32 = reals_if_there(file, at + "/loss_float32", steps);
  curve.grad_norm_float32 = reals_if_there(file, at + "/grad_norm_float32", steps);
  if (file.has(at + "/alignment")) {
    curve.alignment_step = file.integers(at + "/alignment/step");
    const auto count = static_cast<std::int64_t>(curve.alignment_step.size());
    curve.alignment_per_block = reals(file, at + "/alignment/per_block", {count, golden.layers});
  }
  return curve;
}

GoldenVariant read_variant(const Hdf5File& file, const std::string& name, const Golden& golden) {
  const std::string at = "/variants/" + name;
  const auto count = static_cast<std::int64_t>(golden.parameter_names.size());
  GoldenVariant variant;
  variant.name = name;
  read_options(file, at, variant);
  variant.trained = integers(file, at + "/trained", {count});
  if (golden.steps > 0) variant.curve = read_curve(file, at, golden);
  else read_gradients(file, at, golden, variant);
  return variant;
}

}  // namespace

const std::string& GoldenVariant::option(const std::string& key) const {
  const auto found = options.find(key);
  if (found == options.end())
    fail(exit_code, "golden variant {}: attribute {} is missing", name, key);
  return found->second;
}

Golden read_golden(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    fail(exit_code, "{}: a folder; expected a golden file, such as {}/NAME.h5", path, path);
  const Hdf5File file = Hdf5File::open(path, exit_code, Hdf5Names::several_of_arrays);
  Golden golden;
  golden.path = path;
  read_header(file, golden);
  read_parameters(file, golden);
  read_feedback(file, golden);
  read_tokens(file, golden);
  read_forward(file, golden);
  check_parameter_count(file, golden);
  for (const std::string& name : file.children("/variants", most_members))
    golden.variants.push_back(read_variant(file, name, golden));
  if (golden.variants.empty()) fail(exit_code, "{}: /variants is empty", path);
  return golden;
}

}  // namespace dfascale
