// dfascale inspect: what a deck or a checkpoint is, in numbers: parameters, FLOP, memory, meta
// data.
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "credit/flops.hpp"
#include "deck/deck.hpp"
#include "planning/memory_budget.hpp"
#include "tools/memory.hpp"
#include "tools/rule_table.hpp"
#include "tools/tools.hpp"
#include "tools/trained_model.hpp"
#include "train/checkpoint_contents.hpp"
#include "train/corpus.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;

struct InspectOptions {
  std::string what;
  std::vector<std::string> overrides;
  bool tensors = false, json = false;
};

/// What is looked at; meta only for a checkpoint.
struct Subject {
  Settings settings;
  std::string file;
  std::optional<CheckpointMeta> meta;
};

Subject open_subject(const Session& session, const InspectOptions& options) {
  Subject subject;
  if (is_checkpoint(options.what)) {
    open_checkpoint_at(options.what, [&](const std::string& file) {
      subject.meta = CheckpointFile(file, contents_of, WriterRanks::all()).meta();
      subject.file = file;
    });
    subject.settings = parse_deck(subject.meta->deck, subject.file, options.overrides);
  } else {
    subject.file = options.what;
    subject.settings = read_deck(options.what, options.overrides);
  }
  Settings& s = subject.settings;
  // The deck's own layout, not that of the ranks which look at it.
  resolve_layout(s, s.parallel.dp > 0 ? s.parallel.dp : session.comm().size());
  resolve_vocabulary(s);
  return subject;
}

Json meta_json(const Subject& subject) {
  const CheckpointMeta& meta = *subject.meta;
  Json json = {{"step", meta.step},         {"steps", subject.settings.steps()},
               {"tokens", meta.tokens},     {"next_sample", meta.next_sample},
               {"flops", meta.flops},       {"seconds", meta.seconds},
               {"best_val_loss", nullptr},  {"seed", meta.seed},
               {"params", meta.params},     {"layout", meta.layout},
               {"revision", meta.revision}, {"deck", meta.deck}};
  if (std::isfinite(meta.best_val_loss)) json["best_val_loss"] = meta.best_val_loss;
  return json;
}

void print_meta(const Subject& subject) {
  const CheckpointMeta& meta = *subject.meta;
  log::say("run             {}, method {}, seed {}", subject.settings.run.name,
           subject.settings.run.method, meta.seed);
  log::say("step            {} of {}", meta.step, subject.settings.steps());
  log::say("tokens          {} (next sample {})", meta.tokens, meta.next_sample);
  log::say("spent           {:.4g} FLOP, {:.1f} device-seconds", meta.flops, meta.seconds);
  log::say("best val_loss   {:.6f}", meta.best_val_loss);
  log::say("written by      revision {}, layout {}", meta.revision, meta.layout);
}

std::string shape_text(const Parameter& p) {
  return p.dims == 1 ? fmt::format("[{}]", p.rows) : fmt::format("[{}, {}]", p.rows, p.cols);
}

Json tensors_json(const ParameterTable& table) {
  Json tensors = Json::array();
  for (const Parameter& p : table.all()) {
    Json shape = {p.rows};
    if (p.dims == 2) shape.push_back(p.cols);
    tensors.push_back(
        {{"name", p.name}, {"shape", shape}, {"count", p.size()}, {"trained", p.trained}});
  }
  return tensors;
}

void print_tensors(const ParameterTable& table) {
  log::say("\n{:<32} {:>16} {:>12}", "tensor", "shape", "parameters");
  for (const Parameter& p : table.all())
    log::say("{:<32} {:>16} {:>12}{}", p.name, shape_text(p), p.size(),
             p.trained ? "" : "  frozen");
}

Json flops_json(const Flops& f) {
  return {{"forward", f.forward},
          {"input_gradients", f.input_gradients},
          {"weight_gradients", f.weight_gradients},
          {"feedback", f.feedback},
          {"total", f.total()}};
}

void print_rules(const Shape& shape) {
  const double bp = flops_per_token(shape, rules.front()).total();
  log::say(
      "\nexact FLOP per token, and its ratio to bp; beside it the paper's 6, 4 or 2 FLOP per "
      "parameter and token");
  log::say("{:<18} {:>10} {:>10} {:>10} {:>10} {:>10} {:>6} {:>11} {:>6} {:>12}", "rule", "forward",
           "input", "weight", "feedback", "total", "ratio", "paper", "ratio", "trained");
  for (const RuleCost& cost : rule_costs(shape)) {
    const Flops& f = cost.flops;
    log::say(
        "{:<18} {:>10.4g} {:>10.4g} {:>10.4g} {:>10.4g} {:>10.4g} {:>6.3f} {:>11.4g} {:>6.3f} "
        "{:>12}",
        cost.name, f.forward, f.input_gradients, f.weight_gradients, f.feedback, f.total(),
        f.total() / bp, cost.paper, cost.paper_factor / 6, cost.trained);
  }
}

Json rules_json(const Shape& shape) {
  const double bp = flops_per_token(shape, rules.front()).total();
  Json json = Json::array();
  for (const RuleCost& cost : rule_costs(shape))
    json.push_back({{"rule", cost.name},
                    {"trained", cost.trained},
                    {"flops_per_token", flops_json(cost.flops)},
                    {"ratio", cost.flops.total() / bp},
                    {"paper_flops_per_token", cost.paper},
                    {"paper_ratio", cost.paper_factor / 6}});
  return json;
}

void print(const Subject& subject, const MemoryForecast& memory, bool with_tensors) {
  const Settings& s = subject.settings;
  const Shape shape = shape_of(s.model);
  const ParameterTable table(shape, s.rule);
  log::say("{}", subject.file);
  if (subject.meta) print_meta(subject);
  log::say("model           {} blocks x width {}, {} heads, context {}, vocabulary {}{}",
           shape.layers, shape.width, shape.heads, shape.context, shape.vocab,
           shape.tied ? ", tied" : "");
  log::say("parameters      {} (tied counted once)", table.count());
  log::say("                {} without embeddings", table.count_without_embeddings());
  log::say("                {} trained by {}", table.count_trained(), s.run.method);
  say_flops(flops_per_token(shape, s.rule));
  print_rules(shape);
  say_memory(memory);
  if (with_tensors) print_tensors(table);
}

void print_json(const Subject& subject, const MemoryForecast& forecast, bool with_tensors) {
  const Settings& s = subject.settings;
  const Shape shape = shape_of(s.model);
  const ParameterTable table(shape, s.rule);
  Json memory = Json::array();
  for (const MemoryRow& row : forecast.rows)
    memory.push_back({{"what", row.what}, {"bytes", row.bytes}});
  Json json = {{"file", subject.file},
               {"method", s.run.method},
               {"model",
                {{"layers", shape.layers},
                 {"width", shape.width},
                 {"heads", shape.heads},
                 {"context", shape.context},
                 {"vocab", shape.vocab},
                 {"tied", shape.tied}}},
               {"parameters", table.count()},
               {"parameters_without_embeddings", table.count_without_embeddings()},
               {"parameters_trained", table.count_trained()},
               {"flops_per_token", flops_json(flops_per_token(shape, s.rule))},
               {"rules", rules_json(shape)},
               {"memory", memory},
               {"recomputed", recomputation_text(forecast.training)}};
  if (subject.meta) json["checkpoint"] = meta_json(subject);
  if (with_tensors) json["tensors"] = tensors_json(table);
  log::line(json_text(json));
}

int inspect(const InspectOptions& options) {
  const Session session(Uses::ranks);
  const Subject subject = open_subject(session, options);
  const MemoryForecast memory = forecast_memory(session.comm(), subject.settings);
  if (options.json) print_json(subject, memory, options.tensors);
  else print(subject, memory, options.tensors);
  return static_cast<int>(Exit::done);
}

}  // namespace

void add_inspect(CLI::App& app, Run& run) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Parameters, FLOP and memory of a deck, or of a checkpoint and what it holds");
  command
      ->add_option("DECK|CHECKPOINT", options->what,
                   "A deck, a checkpoint, or a run folder: its newest good checkpoint")
      ->required();
  command
      ->add_option("--set", options->overrides, "section.key=value, wins over the deck; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--tensors", options->tensors, "List every tensor");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  dfascale inspect inputs/57m.toml --set rule.name=dfa\n"
      "  dfascale inspect runs/tiny --tensors");
  command->callback([options, &run] { run = [options] { return inspect(*options); }; });
}

}  // namespace dfascale
