// A study's choices into runs: the product of sizes, rules and all lists, each with a name that
// says what it is.
#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "credit/flops.hpp"
#include "deck/deck.hpp"
#include "deck/take.hpp"
#include "study/choices.hpp"
#include "study/study.hpp"
#include "train/corpus.hpp"
#include "train/learner.hpp"

namespace dfascale {
namespace {

/// `last` wins over `first`.
Choices over(Choices first, const Choices& last) {
  for (const auto& [key, values] : last) first[key] = values;
  return first;
}

/// "-lr0.003" for optim.learning_rate = 0.003: what tells two runs of a grid apart.
std::string mark(const Key& key, const Value& value) {
  constexpr std::pair<std::string_view, std::string_view> short_names[] = {
      {"optim.learning_rate", "lr"},
      {"model.init_std", "std"},
      {"run.seed", "s"},
      {"rule.feedback_scale", "scale"},
      {"rule.block_lr_multiplier", "blocklr"}};
  std::string name(key.name);
  for (const auto& [path, brief] : short_names)
    if (path == key.path()) name = brief;
  std::string text = "-" + name;
  for (const char c : to_toml(value)) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '+') text += c;
  }
  return text;
}

/// The run that takes the choices with these numbers, key by key.
StudyRun run_of(const std::string& file, const std::string& size, const Choices& choices,
                std::int64_t number, const std::string& dir) {
  Reading reading{file, {}, {}};
  std::string marks;
  for (const Key& key : deck_keys()) {
    const auto found = choices.find(&key);
    if (found == choices.end() || found->second.empty()) continue;
    const auto count = static_cast<std::int64_t>(found->second.size());
    const Given& given = found->second[static_cast<std::size_t>(number % count)];
    number /= count;
    reading.given[&key] = given;
    const bool is_in_method = key.section == "rule" && !choices.contains(find_key("run", "method"));
    if (count > 1 && !is_in_method) marks += mark(key, given.value);
  }
  StudyRun run{size, settle(reading), 0};
  RunSettings& named = run.settings.run;
  named.name = named.method + "-" + size + marks;
  named.dir = dir + "/runs";
  if (run.settings.parallel.dp == 0) run.settings.parallel.dp = 1;  // a run is one process
  return run;
}

std::int64_t grid_size(const Choices& choices) {
  std::int64_t count = 1;
  for (const auto& [key, values] : choices)
    count *= std::max<std::int64_t>(1, static_cast<std::int64_t>(values.size()));
  return count;
}

void name_sizes(Reading& reading, StudyText& text) {
  std::set<std::string> names;
  for (Part& size : text.sizes) {
    if (size.name.empty()) {
      const auto one = [&](std::string_view name) {
        const Key* key = find_key("model", name);
        const Choices choices = over(text.base, size.choices);
        const auto found = choices.find(key);
        return to_toml(found == choices.end() || found->second.empty()
                           ? *key->fallback
                           : found->second.front().value);
      };
      size.name = one("layers") + "x" + one("width");
    }
    if (!names.insert(size.name).second)
      reading.problem(size.place, "[[size]] {}: two sizes have this name; give one another name",
                      size.name);
  }
  for (const Part& rule : text.rules)
    for (const auto& [size, _] : rule.at)
      if (!names.contains(size))
        reading.problem(rule.place, "[[rule]] at.{}: no size has this name; sizes are {}", size,
                        fmt::join(names, ", "));
}

void add_runs(Reading& reading, Study& study, const StudyText& text, const Part& size,
              const Part& rule) {
  Choices choices = over(over(text.base, size.choices), rule.choices);
  if (const auto at = rule.at.find(size.name); at != rule.at.end())
    choices = over(choices, at->second);
  choices = over(choices, text.overrides);
  constexpr std::int64_t most = 100'000;
  const std::int64_t count = grid_size(choices);
  if (count > most) {
    reading.problem(rule.place, "[[rule]] with [[size]] {}: {} runs, more than {}", size.name,
                    count, most);
    return;
  }
  for (std::int64_t number = 0; number < count; ++number) {
    try {
      study.runs.push_back(run_of(reading.deck, size.name, choices, number, study.dir));
    } catch (const Error& error) {  // the same mistake comes with every size: said once
      if (std::ranges::find(reading.problems, error.what()) == reading.problems.end())
        reading.problems.emplace_back(error.what());
    }
  }
}

void check_names(Reading& reading, const Study& study) {
  std::set<std::string> names;
  for (const StudyRun& run : study.runs)
    if (!names.insert(run.name()).second)
      reading.problem(reading.deck,
                      "two runs would be called {}: give one of the rules another run.method",
                      run.name());
}

}  // namespace

Study parse_study(std::string_view toml, const std::string& file,
                  const std::vector<std::string>& overrides) {
  Reading reading{file, {}, {}};
  StudyText text = take_study(reading, toml, overrides);
  reading.stop_if_wrong();
  if (text.name.empty()) text.name = std::filesystem::path(file).stem().string();
  if (text.dir.empty()) text.dir = "studies/" + text.name;
  if (text.sizes.empty())
    reading.problem(file, "no [[size]]: expected at least one, for example layers = 4, width = 64");
  if (text.rules.empty())
    reading.problem(file, "no [[rule]]: expected at least one, for example name = \"bp\"");
  name_sizes(reading, text);
  reading.stop_if_wrong();
  Study study{text.name, text.dir, text.workers, {}};
  for (const Part& size : text.sizes)
    for (const Part& rule : text.rules) add_runs(reading, study, text, size, rule);
  check_names(reading, study);
  reading.stop_if_wrong();
  return study;
}

Study read_study(const std::string& file, const std::vector<std::string>& overrides) {
  return parse_study(deck_text(file), file, overrides);
}

void predict(Study& study) {
  for (StudyRun& run : study.runs) {
    Settings& settings = run.settings;
    resolve_vocabulary(settings);
    const double tokens = static_cast<double>(settings.steps() * settings.step_tokens());
    run.flops = flops_per_token(shape_of(settings.model), settings.rule).total() * tokens;
  }
}

}  // namespace dfascale
