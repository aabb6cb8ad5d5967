// dfascale deck: the key reference, or a deck with every default written out.
#include "deck/deck.hpp"

#include <cstdio>
#include <memory>

#include "pipeline/schedules.hpp"
#include "tools/tools.hpp"

namespace dfascale {
namespace {

struct DeckOptions {
  std::string file;
  std::vector<std::string> overrides;
  bool markdown = false;
};

int show(const DeckOptions& options) {
  std::string text;
  if (options.markdown) {
    text = deck_reference_markdown();
  } else if (options.file.empty()) {
    text = deck_reference_text();
  } else {
    const Settings settings = read_deck(options.file, options.overrides);
    text = show_deck(settings);
    for (const std::string& tie : ties_between_stages(settings))
      fmt::print(stderr, "note: {}\n", tie);
  }
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

void add_deck(CLI::App& app, Run& run) {
  const auto options = std::make_shared<DeckOptions>();
  CLI::App* command = app.add_subcommand(
      "deck", "Explain all keys of a deck, or check one and print it with every default");
  command->add_option("FILE", options->file, "Deck to check and print");
  command
      ->add_option("--set", options->overrides, "section.key=value, wins over the deck; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--markdown", options->markdown, "Print docs/deck.md");
  command->callback([options, &run] { run = [options] { return show(*options); }; });
}

Settings read_deck_on_all(const Comm& comm, const std::string& file,
                          const std::vector<std::string>& overrides) {
  std::string text = comm.rank() == 0 ? deck_text(file) : "";
  comm.broadcast(text);
  Settings settings = parse_deck(text, file, overrides);
  resolve_layout(settings, comm.size());
  return settings;
}

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const ScheduleFacts& schedule : schedules) names.emplace_back(schedule.name);
  return names;
}

}  // namespace dfascale
