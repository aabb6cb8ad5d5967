// The key table: everything that can be set, with default, range, unit and one sentence of help.
#include "deck/keys.hpp"

#include <algorithm>
#include <limits>

#include "deck/reading.hpp"
#include "deck/words.hpp"
#include "pipeline/schedules.hpp"

namespace dfascale {
namespace {

constexpr double no_limit = std::numeric_limits<double>::infinity();
constexpr double largest_count = 1e18;  // stays exact in int64 sums
constexpr Range at_least(double least) { return {least, no_limit}; }
constexpr Range above(double least) { return {least, no_limit, Range::Open::least}; }
constexpr Range from_to(double least, double most) { return {least, most}; }
constexpr Range from_below(double least, double most) { return {least, most, Range::Open::most}; }
constexpr Range above_to(double least, double most) { return {least, most, Range::Open::least}; }

Value to_value(bool member) { return member; }
Value to_value(std::int64_t member) { return member; }
Value to_value(std::uint64_t member) { return static_cast<std::int64_t>(member); }
Value to_value(double member) { return member; }
Value to_value(const std::string& member) { return member; }
template <class E>
Value to_value(E member) requires std::is_enum_v<E> {
  return std::string(word(member));
}

template <class T>
void from_value(T& member, const Value& value) {
  if constexpr (std::is_enum_v<T>) {
    member = *from_word<T>(std::get<std::string>(value));
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    member = static_cast<std::uint64_t>(std::get<std::int64_t>(value));
  } else {
    member = std::get<T>(value);
  }
}

/// How a row reaches its member of Settings.
struct Reach {
  Value (*read)(const Settings&);
  void (*write)(Settings&, const Value&);
};
// A macro because a member of a member cannot be named by one pointer.
#define MEMBER(path)                                               \
  Reach {                                                          \
    [](const Settings& s) { return to_value(s.path); },            \
        [](Settings& s, const Value& v) { from_value(s.path, v); } \
  }

Value read_restart(const Settings& s) {
  switch (s.run.restart) {
    case Restart::automatic: return std::string("auto");
    case Restart::required: return std::string("required");
    case Restart::never: return std::string("never");
    case Restart::step: return std::to_string(s.run.restart_step);
    case Restart::path: break;
  }
  return s.run.restart_path;
}

void write_restart(Settings& s, const Value& value) {
  const std::string& text = std::get<std::string>(value);
  const std::optional<std::int64_t> step = step_from_text(text);
  s.run.restart = text == "auto"       ? Restart::automatic
                  : text == "required" ? Restart::required
                  : text == "never"    ? Restart::never
                  : step               ? Restart::step
                                       : Restart::path;
  s.run.restart_step = step.value_or(0);
  s.run.restart_path = s.run.restart == Restart::path ? text : "";
}

Value read_rule_name(const Settings& s) { return std::string(s.rule.name); }
void write_rule_name(Settings& s, const Value& value) {
  s.rule = *find_rule(std::get<std::string>(value));
}

using Words = std::vector<std::string_view>;
template <class E>
Words all_words() {
  Words list;
  for (const Word<E>& entry : words<E>) list.push_back(entry.text);
  return list;
}
Words rule_names() {
  Words list;
  for (const Rule& rule : rules) list.push_back(rule.name);
  return list;
}

Words schedule_names() {
  Words list;
  for (const ScheduleFacts& schedule : schedules) list.push_back(schedule.name);
  return list;
}

/// Builds the table a section at a time.
class Table {
 public:
  std::vector<Key> rows;
  std::string_view section;

  void flag(std::string_view name, Reach at, bool fallback, std::string_view help) {
    add(name, Kind::flag, at, Value(fallback), help);
  }
  void whole(std::string_view name, Reach at, std::int64_t fallback, Range range,
             std::string_view unit, std::string_view help) {
    add(name, Kind::whole, at, Value(fallback), help, range, unit);
  }
  void count(std::string_view name, Reach at, std::int64_t fallback, Range range,
             std::string_view help) {
    add(name, Kind::count, at, Value(fallback), help, range, "tokens");
  }
  void real(std::string_view name, Reach at, double fallback, Range range, std::string_view help) {
    add(name, Kind::real, at, Value(fallback), help, range);
  }
  void bytes(std::string_view name, Reach at, std::int64_t fallback, std::string_view help) {
    add(name, Kind::bytes, at, Value(fallback), help, from_to(0, largest_count), "bytes");
  }
  void seconds(std::string_view name, Reach at, double fallback, std::string_view help) {
    add(name, Kind::seconds, at, Value(fallback), help, at_least(0), "seconds");
  }
  void word(std::string_view name, Reach at, std::string_view fallback, Words words,
            std::string_view help) {
    add(name, Kind::word, at, Value(std::string(fallback)), help);
    rows.back().words = std::move(words);
  }
  void text(std::string_view name, Kind kind, Reach at, std::string_view fallback,
            std::string_view help) {
    add(name, kind, at, Value(std::string(fallback)), help);
  }
  /// The last key added has no default of its own.
  void derived(std::string_view from) {
    rows.back().fallback.reset();
    rows.back().derived_default = from;
  }

 private:
  void add(std::string_view name, Kind kind, Reach at, Value fallback, std::string_view help,
           Range range = {-no_limit, no_limit}, std::string_view unit = "") {
    rows.push_back(
        {section, name, kind, std::move(fallback), "", range, {}, unit, help, at.read, at.write});
  }
};

// clang-format off
void model_keys(Table& t) {
  t.section = "model";
  t.whole("layers", MEMBER(model.layers), 4, from_to(1, 10000), "blocks", "Transformer blocks, L.");
  t.whole("width", MEMBER(model.width), 256, from_to(1, 1 << 20), "", "Width of the residual stream, D; a multiple of heads.");
  t.whole("heads", MEMBER(model.heads), 4, from_to(1, 1 << 16), "", "Attention heads in each block, H.");
  t.whole("context", MEMBER(model.context), 512, from_to(1, 1 << 20), "tokens", "Length of a training sequence, T.");
  t.whole("vocab", MEMBER(model.vocab), 0, from_to(0, largest_vocabulary), "tokens", "Vocabulary, V; 0: as the corpus says.");
  t.flag("tied", MEMBER(model.tied), true, "Projector and token embedding are one matrix.");
  t.word("activation", MEMBER(model.activation), "relu", all_words<Activation>(), "Nonlinearity of the MLP; gelu is the tanh form.");
  t.real("init_std", MEMBER(model.init_std), 0.02, above_to(0, 10), "Standard deviation of initial matrices and embeddings; attn.out and mlp.fc2 start smaller by 1/sqrt(2 L).");
}

void rule_keys(Table& t) {
  constexpr std::string_view preset = "from rule.name";
  t.section = "rule";
  t.word("name", {read_rule_name, write_rule_name}, "bp", rule_names(), "Credit-assignment rule: backpropagation, the paper's DFA, canonical DFA, or only the last block; a preset for the keys below.");
  t.word("error", MEMBER(rule.error), "", {"preprojector", "logits"}, "DFA: the error that is fed back, the gradient at the final LN's output (D wide) or at the logits (V wide).");
  t.derived(preset);
  t.word("granularity", MEMBER(rule.granularity), "", all_words<Granularity>(), "DFA: feedback to every block's output, with backpropagation inside, or to every layer's output.");
  t.derived(preset);
  t.word("residual", MEMBER(rule.residual), "", all_words<Residual>(), "DFA by blocks: whether skip paths carry gradient (vanilla) or not (asymmetric).");
  t.derived(preset);
  t.word("derivative", MEMBER(rule.derivative), "", all_words<Derivative>(), "DFA: derivative of the nonlinearity in fed-back blocks, its own or 1 - tanh(a)^2.");
  t.derived(preset);
  t.word("embedding", MEMBER(rule.embedding), "", {"block", "direct", "none"}, "DFA: gradient at the embeddings' output: what block 0 passes down, the fed-back error, or none.");
  t.derived(preset);
  t.word("feedback", MEMBER(rule.feedback), "gaussian", all_words<Feedback>(), "DFA: how the feedback matrix is drawn; orthogonal and identity need error = preprojector and granularity = block.");
  t.derived(preset);
  t.real("feedback_scale", MEMBER(rule.feedback_scale), 1, above(0), "DFA: factor on the feedback matrix, whose entries are N(0, 1/E).");
  t.derived(preset);
  t.real("block_lr_multiplier", MEMBER(rule.block_lr_multiplier), 1, at_least(0), "DFA: learning rate of fed-back blocks over that of the rest.");
  t.derived(preset);
  t.flag("train_projector", MEMBER(rule.train_projector), false, "Shallow: train the projector too (tied: the token embedding by the projector's gradient).");
  t.derived(preset);
}

void data_keys(Table& t) {
  t.section = "data";
  t.text("train", Kind::text, MEMBER(data.train), "data/corpus", "Training tokens: a folder made by `dfascale prepare`, a file, or a glob.");
  t.text("valid", Kind::text, MEMBER(data.valid), "", "Validation tokens, likewise; empty: those of the folder in data.train.");
  t.word("format", MEMBER(data.format), "llmc", all_words<TokenFormat>(), "Token files: llmc (256 int32 of header, then uint16 tokens) or raw (uint16 tokens only).");
  t.real("epochs", MEMBER(data.epochs), 1, above_to(0, 1e6), "How often the training tokens may be used, at most.");
  t.whole("valid_sequences", MEMBER(data.valid_sequences), 64, from_to(1, 1e9), "sequences", "Sequences in the fixed validation set.");
}

void optim_keys(Table& t) {
  t.section = "optim";
  t.real("learning_rate", MEMBER(optim.learning_rate), 0.001, above_to(0, 100), "Peak learning rate of AdamW.");
  t.word("schedule", MEMBER(optim.schedule), "cosine", all_words<RateSchedule>(), "Learning rate after warm-up; wsd is constant with a linear decay at the end.");
  t.count("warmup_tokens", MEMBER(optim.warmup_tokens), 0, from_to(0, largest_count), "Tokens of linear warm-up.");
  t.derived("2 % of optim.tokens");
  t.real("floor", MEMBER(optim.floor), 0.1, from_to(0, 1), "Learning rate at the end, as a share of the peak; for cosine, linear and wsd.");
  t.real("decay_share", MEMBER(optim.decay_share), 0.2, above_to(0, 1), "Share of the training that decays; for wsd.");
  t.count("tokens", MEMBER(optim.tokens), 10'000'000, from_to(1, largest_count), "Training budget; the last step is a whole one.");
  t.whole("batch_sequences", MEMBER(optim.batch_sequences), 16, from_to(1, 1e9), "sequences", "Sequences of a step, all replicas and micro-batches together; a multiple of dp * micro_batches.");
  t.real("beta1", MEMBER(optim.beta1), 0.9, from_below(0, 1), "AdamW: decay of the first moment.");
  t.real("beta2", MEMBER(optim.beta2), 0.95, from_below(0, 1), "AdamW: decay of the second moment.");
  t.real("eps", MEMBER(optim.eps), 1e-8, from_to(1e-30, 1), "AdamW: added to the root of the second moment.");
  t.real("weight_decay", MEMBER(optim.weight_decay), 0.1, from_to(0, 100), "AdamW: decoupled decay of matrices and embeddings.");
  t.word("clip", MEMBER(optim.clip), "global", all_words<Clip>(), "Gradient norm that is clipped: of all parameters, of each block by itself, or none.");
  t.real("clip_norm", MEMBER(optim.clip_norm), 1, above(0), "Norm above which gradients are scaled down to it.");
  t.word("precision", MEMBER(optim.precision), "f32", all_words<Precision>(), "Number format of what matrix products read: weights, activations, signals and feedback; parameters, gradients, moments, sums and losses are always f32.");
}

void parallel_keys(Table& t) {
  t.section = "parallel";
  t.whole("dp", MEMBER(parallel.dp), 0, from_to(0, 1 << 20), "replicas", "Data-parallel replicas; 0: one for every rank.");
  t.whole("pp", MEMBER(parallel.pp), 1, from_to(1, 1 << 16), "ranks", "Ranks of a replica's pipeline: each holds a contiguous part of the blocks, or several with virtual stages.");
  t.whole("zero", MEMBER(parallel.zero), 1, from_to(0, 1), "", "1: optimiser state is sharded over replicas (ZeRO-1), which takes less memory and time; 0: every replica keeps and updates all of it, and no parameters are exchanged after a step.");
  t.word("schedule", MEMBER(parallel.schedule), "", schedule_names(), "Order of a pipeline's forward and backward passes; unlocked is for rules whose blocks wait for no other block, zb-* for backpropagation.");
  t.derived("1f1b for bp, unlocked for other rules");
  t.whole("virtual_stages", MEMBER(parallel.virtual_stages), 1, from_to(1, 1 << 10), "stages", "Stages of each rank, for interleaved and zb-v.");
  t.derived("2 for interleaved and zb-v, else 1");
  t.text("split", Kind::text, MEMBER(parallel.split), "", "Blocks of each stage, such as \"4,3\"; with 0 at the end the head is a stage of its own; empty: balanced by FLOP, the projector's included.");
  t.whole("micro_batches", MEMBER(parallel.micro_batches), 1, from_to(1, 1 << 20), "", "Micro-batches into which a replica cuts its part of a step; more need less memory, and keep a pipeline busy.");
  t.whole("in_flight", MEMBER(parallel.in_flight), 0, from_to(0, 1 << 20), "micro-batches", "unlocked: most micro-batches that a stage holds between forward and backward; fewer need less memory and idle more; 0: parallel.pp.");
  t.real("bucket_mib", MEMBER(parallel.bucket_mib), 16, from_to(0.01, 4096), "MiB of gradients that replicas sum at once, while the backward pass goes on.");
}

void run_keys(Table& t) {
  t.section = "run";
  t.text("name", Kind::name, MEMBER(run.name), "", "Name of the run and of its folder.");
  t.derived("deck file and method");
  t.text("method", Kind::name, MEMBER(run.method), "", "Name of the rule in fits and figures; runs of one method share a frontier.");
  t.derived("rule.name, with a suffix for each key of [rule] that is changed");
  t.text("dir", Kind::text, MEMBER(run.dir), "runs", "Folder that holds the run folders.");
  t.whole("seed", MEMBER(run.seed), 1, from_to(0, largest_count), "", "Seed of initial values, feedback and sample order.");
  t.text("restart", Kind::restart, {read_restart, write_restart}, "auto", "Where to start: auto (the newest good checkpoint, if any), required (fail without one), never, the step of one of its checkpoints, or the path of any.");
  t.whole("checkpoint_steps", MEMBER(run.checkpoint_steps), 0, from_to(0, 1e15), "steps", "Steps between checkpoints; 0: only at the end.");
  t.whole("keep", MEMBER(run.keep), 2, from_to(1, 1e6), "checkpoints", "Newest checkpoints that stay.");
  t.whole("keep_every", MEMBER(run.keep_every), 0, from_to(0, 1e15), "checkpoints", "Every so many checkpoints one stays for good; 0: none.");
  t.whole("compress", MEMBER(run.compress), 0, from_to(0, 9), "", "Compression of checkpoints, 1 (fast) to 9 (small); 0: none. Saves about a seventh of the disk, for about ten times the writing.");
  t.whole("validate_points", MEMBER(run.validate_points), 48, from_to(0, 1e6), "points", "Log-spaced steps with validation, besides the first and the last.");
  t.whole("alignment_steps", MEMBER(run.alignment_steps), 0, from_to(0, 1e15), "steps", "Steps between comparisons of the rule's gradient with backpropagation's; 0: never.");
  t.whole("trace", MEMBER(run.trace), 0, from_to(0, 1e6), "steps", "First steps of which every action of every rank goes into trace.json, for chrome://tracing; 0: none.");
  t.flag("graphs", MEMBER(run.graphs), true, "On GPUs, record what a micro-batch and a block compute as CUDA graphs, once, and replay them; false launches every kernel by itself, to find out where a fault arises. Losses are the same.");
  t.seconds("peak_seconds", MEMBER(run.peak_seconds), 1, "How long each way of measuring the peak FLOP/s takes before the first step; 0: not measured, no MFU.");
  t.seconds("walltime", MEMBER(run.walltime), 0, "Time after which the run writes a checkpoint and stops with exit code 75; 0: none.");
  t.bytes("memory", MEMBER(run.memory), 0, "Most memory of a rank, everything that --dry-run lists: blocks compute activations again, rather than keep them, as far as that takes; 0 or empty: everything is kept.");
  t.text("offload", Kind::text, MEMBER(run.offload), "", "Where blocks may send activations until they learn, instead of computing them again, where run.memory does not let them keep them: a folder on a local disk, whose file has no name and is gone when the run is; builds for GPUs: \"host\", its pinned memory; empty: nowhere.");
  t.real("offload_gb_per_s", MEMBER(run.offload_gb_per_s), 0, from_to(0, 1e6), "What a rank is taken to write to run.offload, and read, in a second, GB, where blocks choose between sending and computing again; 0: measured when the run begins.");
}
// clang-format on
#undef MEMBER

std::vector<Key> make_table() {
  Table table;
  for (auto add : {model_keys, rule_keys, data_keys, optim_keys, parallel_keys, run_keys}) {
    add(table);
  }
  return std::move(table.rows);
}

}  // namespace

const std::vector<Key>& deck_keys() {
  static const std::vector<Key> table = make_table();
  return table;
}

const Key* find_key(std::string_view section, std::string_view name) {
  for (const Key& key : deck_keys()) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

bool is_section(std::string_view section) {
  return std::ranges::any_of(deck_keys(), [&](const Key& key) { return key.section == section; });
}

const Rule* find_rule(std::string_view name) {
  const auto found = std::ranges::find(rules, name, &Rule::name);
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace dfascale
