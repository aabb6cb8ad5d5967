// dfascale bench kernels: every kernel at a deck's sizes, beside what limits it: a copy of as many
// bytes, or its products at the measured peak.
#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "deck/words.hpp"
#include "io/files.hpp"
#include "kernels/activation.hpp"
#include "kernels/adam.hpp"
#include "kernels/attention.hpp"
#include "kernels/embed.hpp"
#include "kernels/loss.hpp"
#include "kernels/norm.hpp"
#include "kernels/random.hpp"
#include "kernels/reduce.hpp"
#include "kernels/residual.hpp"
#include "model/arena.hpp"
#include "model/micro_batch.hpp"
#include "optim/piece_table.hpp"
#include "tools/bench.hpp"
#include "tools/bench_figures.hpp"
#include "train/learner.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;

struct KernelOptions {
  DeckOptions on;
  double seconds = 0.3;
};

/// One call of a kernel, as a step makes it.
struct Case {
  const char* name;
  /// What has to cross memory if nothing stays in cache: every array that is read, and again every
  /// one that is written.
  std::int64_t bytes;
  double product_flop;  ///< of matrix products in it
  std::function<void()> run;
};

struct Measured {
  Case what;
  Timing timing;
  double copy_seconds;     ///< of a copy that moves as many bytes
  double product_seconds;  ///< of its products at the measured peak

  bool is_limited_by_memory() const { return copy_seconds >= product_seconds; }
  double limit() const { return std::max(copy_seconds, product_seconds); }
  double bandwidth() const { return static_cast<double>(what.bytes) / timing.median; }
  /// Products' FLOP per byte: where the roofline puts it.
  double intensity() const { return what.product_flop / static_cast<double>(what.bytes); }
};

/// Arrays of a block, the head, the embedding and the optimiser at the deck's sizes: R = B*T rows.
struct Arrays {
  Arrays(Arena& arena, const Device& on, const Settings& s)
      : micro_batch(arena, shape_of(s.model), rows(s)) {
    const Shape shape = shape_of(s.model);
    const std::int64_t R = rows(s) * shape.context, D = shape.width, V = shape.padded_vocab();
    const Precision precision = s.optim.precision;
    const auto stored = [&](std::int64_t cols) { return arena.stored(precision, R, cols); };
    for (Mat* m : {&x, &h, &y}) *m = arena.mat(R, D);
    for (Stored* m : {&u, &du}) *m = stored(D);
    for (Stored* m : {&qkv, &dqkv}) *m = stored(3 * D);
    for (Stored* m : {&a, &z, &dz}) *m = stored(4 * D);
    logits = arena.stored(precision, std::min<std::int64_t>(R, 1024), V);
    for (Vec* w : {&mean, &rstd, &losses}) *w = arena.vec(R);
    for (Vec* w : {&gain, &shift, &dgain, &dshift}) *w = arena.vec(D);
    for (Mat* w : {&product, &dqkv_weight}) *w = arena.mat(3 * D, D);
    qkv_weight = arena.stored(precision, 3 * D, D);
    qkv_bias = arena.vec(3 * D);
    bias = arena.vec(4 * D);
    for (Mat* w : {&token, &dtoken}) *w = arena.mat(V, D);
    position = arena.mat(shape.context, D);
    for (Vec* w : {&m, &v}) *w = arena.vec(V * D);
    scratch = arena.vec(attention_scratch({rows(s), shape.context, D, shape.heads}));
    pieces.add({0, V * D});
    pieces.lay_out(arena, on);
    squares = arena.vector<double>(pieces.size());
    constants = arena.vector<AdamTensor>(1);
  }
  static std::int64_t rows(const Settings& s) { return s.micro_batch_sequences(); }

  MicroBatch micro_batch;
  Mat x, h, y, product, dqkv_weight, token, dtoken, position;
  Stored u, du, qkv, dqkv, a, z, dz, logits, qkv_weight;
  Vec mean, rstd, losses, gain, shift, dgain, dshift, bias, qkv_bias, m, v, scratch;
  PieceTable pieces;  // of the token embedding, as the optimiser has them
  Vector<double> squares;
  Vector<AdamTensor> constants;
};

std::int64_t size_in_bytes(const ConstStored& m) { return m.size() * bytes_of(m.precision); }
std::int64_t size_in_bytes(const ConstVec& v) { return 4 * v.size; }
template <class... A>
std::int64_t traffic(const A&... arrays) {
  return (... + size_in_bytes(arrays));
}

/// Made-up values: nothing in them is special to a kernel.
void fill_arrays(const Device& on, Arrays& a, const Settings& s) {
  const Shape shape = shape_of(s.model);
  const RandomKey key{1, Purpose::test, hash_name("bench kernels")};
  for (const Mat& m : {a.x, a.h, a.y, a.token, a.product}) fill_normal(on, m.flat(), key, 0, 1.0);
  for (const Stored& m : {a.u, a.du}) convert(on, m, a.x);
  for (std::int64_t i = 0; i < 3; ++i)
    convert(on, a.qkv.cols_from(i * shape.width, shape.width), a.x);
  for (std::int64_t i = 0; i < 4; ++i) {
    convert(on, a.a.cols_from(i * shape.width, shape.width), a.h);
    convert(on, a.z.cols_from(i * shape.width, shape.width), a.x);
  }
  convert(on, a.qkv_weight, a.product);
  for (const Vec& v : {a.gain, a.rstd}) fill(on, v, 1.0f);
  for (const Vec& v : {a.shift, a.mean, a.m, a.v, a.bias, a.qkv_bias, a.dgain, a.dshift,
                       a.dqkv_weight.flat(), a.dtoken.flat(), a.position.flat()})
    fill(on, v, 0.1f);
  convert(on, a.logits, ConstMat(a.m.data, a.logits.rows, a.logits.cols, 0));
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < a.x.rows; ++i)
    tokens.push_back(static_cast<std::int32_t>(uniform_at(key, static_cast<std::uint64_t>(i)) *
                                               static_cast<double>(shape.vocab)));
  const Tokens made_up{tokens.data(), static_cast<std::int64_t>(tokens.size())};
  a.micro_batch.load(on, made_up, made_up);
  const AdamTensor constants{1.0f, 1e-3f, 0.1f};
  copy_to_device(on, a.constants.data, &constants, sizeof constants);
}

std::vector<Case> cases_of(const Device& on, const Arrays& a, const Settings& s) {
  const Shape shape = shape_of(s.model);
  const AttentionShape attention{Arrays::rows(s), shape.context, shape.width, shape.heads};
  const auto R = static_cast<double>(a.x.rows);
  // Causal, counted half: scores and mixing forward; these again, and five products, backward.
  const double pair =
      2.0 * R * static_cast<double>(shape.context) * static_cast<double>(shape.width);
  const ConstVec positions = ConstMat(a.position).flat();
  const Tokens targets = a.micro_batch.targets().part(0, a.logits.rows);
  const Vec losses = a.losses.part(0, a.logits.rows);
  const AdamStep adam{0.9f, 0.95f, 1e-8f, 0.1f, 0.05f};
  return {
      {"embed_forward", traffic(a.x, a.x, positions), 0,
       [&, on] { embed_forward(on, a.x, a.micro_batch.inputs(), a.token, a.position); }},
      {"norm_forward", traffic(a.x, a.u, a.mean, a.rstd), 0,
       [&, on] { norm_forward(on, a.u, a.mean, a.rstd, a.x, a.gain, a.shift); }},
      {"attention_forward", traffic(a.qkv, a.u), pair,
       [&, on, attention] { attention_forward(on, a.u, a.qkv, attention, a.scratch); }},
      {"add", traffic(a.x, a.h, a.y), 0, [&, on] { add(on, a.y, a.x, a.h); }},
      {"activation_forward", traffic(a.a, a.z), 0,
       [&, on, shape] { activation_forward(on, a.z, a.a, shape.activation); }},
      {"cross_entropy", traffic(a.logits, losses), 0,
       [&, on, losses, targets, shape] {
         cross_entropy(on, losses, a.logits, targets, shape.vocab);
       }},
      {"cross_entropy_with_gradient", traffic(a.logits, a.logits, losses), 0,
       [&, on, losses, targets, shape] {
         cross_entropy_with_gradient(on, losses, a.logits, targets, shape.vocab, 1.0f);
       }},
      {"activation_backward", traffic(a.z, a.a, a.dz), 0,
       [&, on, shape] {
         activation_backward(on, a.dz, a.z, a.a, shape.activation, Derivative::exact);
       }},
      {"norm_backward_input", traffic(a.du, a.x, a.y, a.y), 0,
       [&, on] { norm_backward_input(on, a.y, Into::add, a.du, a.x, a.mean, a.rstd, a.gain); }},
      {"norm_backward_params", traffic(a.du, a.x), 0,
       [&, on] { norm_backward_params(on, a.dgain, a.dshift, a.du, a.x, a.mean, a.rstd); }},
      {"attention_backward", traffic(a.qkv, a.du, a.dqkv), 2.5 * pair,
       [&, on, attention] { attention_backward(on, a.dqkv, a.du, a.qkv, attention, a.scratch); }},
      {"bias_backward", traffic(a.z), 0, [&, on] { bias_backward(on, a.bias, a.z); }},
      {"normalize", traffic(a.x, a.du), 0, [&, on] { normalize(on, a.du, a.x, a.mean, a.rstd); }},
      {"norm_linear_backward_params", traffic(a.product, a.qkv_weight, a.dqkv_weight), 0,
       [&, on] {
         norm_linear_backward_params(on, {a.dgain, a.dshift, a.dqkv_weight, a.qkv_bias},
                                     Into::overwrite, a.product, a.qkv_bias,
                                     {a.gain, a.shift, a.qkv_weight});
       }},
      {"convert", traffic(a.x, a.u), 0, [&, on] { convert(on, a.u, a.x); }},
      {"position_embedding_backward", traffic(a.x, a.position, a.position), 0,
       [&, on] { position_embedding_backward(on, a.position, a.x); }},
      {"token_embedding_backward", traffic(a.x, a.x, a.x), 0,
       [&, on] {
         token_embedding_backward(on, a.dtoken, a.x, a.micro_batch.inputs(), a.micro_batch.runs());
       }},
      {"piece_squares", traffic(a.dtoken), 0,
       [&, on] { piece_squares(on, a.squares, ConstMat(a.dtoken).flat(), a.pieces.on_device()); }},
      {"adamw", traffic(a.token, a.m, a.v, a.dtoken, a.token, a.m, a.v), 0, [&, on, adam] {
         adamw(on, a.token.flat(), a.m, a.v, ConstMat(a.dtoken).flat(), a.pieces.on_device(),
               a.constants, adam);
       }}};
}

/// Copies between two halves of `bytes`, of memory that is there for the largest case.
class CopyLimit {
 public:
  CopyLimit(const Device& on, std::int64_t most_bytes) : on_(on) {
    const auto lay_out = [&] {
      halves_ = {arena_.vec(most_bytes / 8), arena_.vec(most_bytes / 8)};
    };
    lay_out();
    arena_.commit();
    lay_out();
    for (const Vec& half : halves_) fill(on_, half, 0.5f);
  }
  double seconds_for(std::int64_t bytes, double seconds) const {
    const Vec to = halves_[0].part(0, bytes / 8), from = halves_[1].part(0, bytes / 8);
    return time_operation(on_, seconds, [&] { copy(on_, to, from); }).median;
  }

 private:
  const Device& on_;
  Arena arena_;
  std::array<Vec, 2> halves_;
};

std::vector<Measured> measure(const Device& on, const std::vector<Case>& cases, double peak,
                              double seconds) {
  const CopyLimit copy_limit(on, std::ranges::max(cases, {}, &Case::bytes).bytes);
  std::vector<Measured> all;
  for (const Case& c : cases)
    all.push_back({c, time_operation(on, seconds, c.run), copy_limit.seconds_for(c.bytes, seconds),
                   c.product_flop / peak});
  return all;
}

void print(const std::vector<Measured>& all, double peak) {
  log::say("{:<28}{:>10}{:>8}{:>11}{:>20}{:>9}{:>10}{:>10}  {}", "kernel", "MB", "FLOP/B", "ms",
           "(best, slowest)", "GB/s", "copy GB/s", "of limit", "limit");
  for (const Measured& m : all) {
    const auto bytes = static_cast<double>(m.what.bytes);
    log::say("{:<28}{:>10.2f}{:>8.1f}{:>11.4f}{:>20}{:>9.1f}{:>10.1f}{:>9.0f}%  {}", m.what.name,
             bytes / 1e6, m.intensity(), 1e3 * m.timing.median,
             fmt::format("({:.4f}, {:.4f})", 1e3 * m.timing.least, 1e3 * m.timing.most),
             m.bandwidth() / 1e9, bytes / m.copy_seconds / 1e9, 100 * m.limit() / m.timing.median,
             m.is_limited_by_memory() ? "memory" : "products");
  }
  log::say(
      "MB: arrays read, and written, once each; FLOP of matrix products only, at a peak of {}; "
      "copy: "
      "a plain copy that moves as many bytes",
      gigaflops(peak));
}

void write_json(const std::string& file, const Settings& settings, const std::vector<Measured>& all,
                double peak) {
  Json json = bench_json("kernels");
  json["precision"] = word(settings.optim.precision);
  json["peak_flops"] = peak;
  for (const Measured& m : all) {
    Json row = {
        {"kernel", m.what.name}, {"bytes", m.what.bytes}, {"product_flop", m.what.product_flop}};
    row.update(timing_json(m.timing));
    row.update({{"copy_seconds", m.copy_seconds},
                {"product_seconds", m.product_seconds},
                {"share_of_limit", m.limit() / m.timing.median}});
    json["by_kernel"].push_back(row);
  }
  write_atomically(file, json_text(json) + "\n", Folder::of_user);
}

int bench_kernels(const KernelOptions& options) {
  const Session session;
  const Settings settings = read_deck(session.comm(), options.on);
  const Device& device = session.device();
  Gemm gemm(device);
  say_machine();
  warn_if_widened(settings.optim.precision);
  const double peak = peak_of(device, gemm, settings, std::max(options.seconds, 0.1)).best();
  Arena arena;
  const auto arrays = make_in<Arrays>(arena, device, settings);
  fill_arrays(device, *arrays, settings);
  const std::vector<Measured> all =
      measure(device, cases_of(device, *arrays, settings), peak, options.seconds);
  print(all, peak);
  if (!options.on.json.empty() && session.comm().rank() == 0)
    write_json(options.on.json, settings, all, peak);
  return static_cast<int>(Exit::done);
}

}  // namespace

void add_kernels(CLI::App& bench, Run& run) {
  const auto options = std::make_shared<KernelOptions>();
  CLI::App* command = bench.add_subcommand(
      "kernels", "Time every kernel at a deck's sizes, beside a copy of as many bytes");
  add_deck_options(*command, options->on);
  command->add_option("--seconds", options->seconds, "For each kernel, and for each copy")
      ->check(between(0.0, 60.0))
      ->capture_default_str();
  command->footer(
      "Example, one core:\n"
      "  taskset -c 0 dfascale bench kernels inputs/57m.toml --set optim.batch_sequences=4 \\\n"
      "    --set parallel.micro_batches=1");
  command->callback([options, &run] { run = [options] { return bench_kernels(*options); }; });
}

}  // namespace dfascale
