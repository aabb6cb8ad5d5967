// dfascale train: a deck in, a run folder out.
#include <unistd.h>

#include <fstream>
#include <memory>

#include "base/log.hpp"
#include "base/stop_signals.hpp"
#include "comm/session.hpp"
#include "credit/flops.hpp"
#include "deck/deck.hpp"
#include "tools/memory.hpp"
#include "tools/rule_table.hpp"
#include "tools/tools.hpp"
#include "train/corpus.hpp"
#include "train/placement.hpp"
#include "train/stop_vote.hpp"
#include "train/trainer.hpp"

namespace dfascale {
namespace {

struct TrainOptions {
  std::string deck;
  std::vector<std::string> overrides;
  bool dry_run = false;
};

/// What a run will do and take, before it takes anything.
void describe(const Settings& s, const MemoryForecast& memory) {
  const Shape shape = shape_of(s.model);
  const ParameterTable table(shape, s.rule);
  const Flops flops = flops_per_token(shape, s.rule);
  const auto steps = static_cast<double>(s.steps()),
             step_tokens = static_cast<double>(s.step_tokens());
  log::say("parameters      {} ({} without embeddings, {} trained)", table.count(),
           table.count_without_embeddings(), table.count_trained());
  say_flops(flops);
  log::say("budget          {} steps of {} tokens, {:.4g} FLOP", s.steps(), s.step_tokens(),
           flops.total() * steps * step_tokens);
  log::say("layout          {} replica(s) of {} rank(s), {} micro-batch(es) of {} sequences each",
           s.parallel.dp, s.parallel.pp, s.parallel.micro_batches, s.micro_batch_sequences());
  for (const std::string& tie : ties_between_stages(s)) log::say("note            {}", tie);
  say_memory(memory);
  const std::int64_t state = 4 * (table.count() + 2 * table.count_trained());
  if (s.run.checkpoint_steps > 0 && s.run.checkpoint_steps < s.steps())
    log::say("  and {:.1f} MB on average for a copy of what a checkpoint holds, where that is free",
             static_cast<double>(state) / 1e6 / static_cast<double>(s.parallel.dp * s.parallel.pp));
}

int train(const TrainOptions& options) {
  if (options.dry_run) give_back_stop_signals();
  const Session session;
  Settings settings = read_deck_on_all(session.comm(), options.deck, options.overrides);
  resolve_vocabulary(settings);
  if (options.dry_run) {
    open_corpus(settings, session.comm());
    log::line(show_deck(settings));
  }
  const MemoryForecast memory = forecast_memory(session.comm(), settings);
  describe(settings, memory);
  say_placement(session.comm(), settings.parallel.dp);
  if (options.dry_run) return static_cast<int>(Exit::done);
  if (any_rank_is_asked_to_stop(session.comm()))
    return static_cast<int>(stop_before_the_first_step());
  return static_cast<int>(Trainer(session, settings, memory.training).train());
}

}  // namespace

void add_train(CLI::App& app, Run& run) {
  const auto options = std::make_shared<TrainOptions>();
  CLI::App* command =
      app.add_subcommand("train", "Train a model as a deck says; restarts where it stopped");
  command
      ->add_option("DECK", options->deck,
                   "The run's deck (docs/deck.md; `dfascale deck` explains the keys)")
      ->required();
  command
      ->add_option("--set", options->overrides, "section.key=value, wins over the deck; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--dry-run", options->dry_run,
                    "Check deck and data, print the resolved deck, memory and FLOP, and stop");
  command->footer(
      "Examples:\n"
      "  dfascale train inputs/tiny.toml\n"
      "  dfascale train inputs/tiny.toml --set rule.name=dfa --set optim.learning_rate=1e-3\n"
      "  mpirun -n 4 dfascale train inputs/57m.toml --set data.train=data/mine\n"
      "A run stopped by a signal (TERM, INT, HUP, USR1, USR2) writes a checkpoint and exits with "
      "75; "
      "the same command goes on.");
  command->callback([options, &run] { run = [options] { return train(*options); }; });
}

}  // namespace dfascale
