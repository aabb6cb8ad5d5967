// A study's choices into runs and searches: the product of sizes, rules and all lists, each with a
// name that says what it is.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/error.hpp"
#include "credit/flops.hpp"
#include "deck/deck.hpp"
#include "deck/names.hpp"
#include "deck/take.hpp"
#include "study/choices.hpp"
#include "study/marks.hpp"
#include "study/study.hpp"
#include "train/corpus.hpp"
#include "train/learner.hpp"

namespace dfascale {
namespace {

/// `last` wins over `first`.
Choices over(Choices first, const Choices& last) {
  for (const auto& [key, choice] : last) first[key] = choice;
  return first;
}

bool is_searched(const Choice& choice) {
  return choice.use == Use::best && choice.values.size() > 1;
}

/// One combination of the grid's values; of searched keys the first value stands for what will be
/// found.
struct Picked {
  Reading reading;
  std::string marks, marks_but_seed;
  std::vector<const Key*> searched;
};

/// The combination with this number, key by key.
Picked pick(const std::string& file, const Choices& choices, std::int64_t number) {
  Picked picked{{file, {}, {}}, "", "", {}};
  for (const Key& key : deck_keys()) {
    const auto found = choices.find(&key);
    if (found == choices.end() || found->second.values.empty()) continue;
    const std::vector<Given>& values = found->second.values;
    if (is_searched(found->second)) {
      picked.searched.push_back(&key);
      picked.reading.given[&key] = values.front();
      continue;
    }
    const auto count = static_cast<std::int64_t>(values.size());
    const Given& given = values[static_cast<std::size_t>(number % count)];
    number /= count;
    picked.reading.given[&key] = given;
    const bool is_in_method = key.section == "rule" && !choices.contains(find_key("run", "method"));
    if (count == 1 || is_in_method) continue;
    picked.marks += mark(key, given.value);
    if (key.path() != "run.seed") picked.marks_but_seed += mark(key, given.value);
  }
  return picked;
}

/// The run of a combination, in a folder of the study.
StudyRun run_of(const std::string& size, Reading reading, const std::string& marks,
                const std::string& dir) {
  StudyRun run{size, settle(reading), 0, 0, {}};
  RunSettings& named = run.settings.run;
  named.name = named.method + "-" + size + marks;
  named.dir = dir;
  if (run.settings.parallel.dp == 0) run.settings.parallel.dp = 1;  // a run is one process
  return run;
}

/// A search's axis, with every value tried for a mistake.
SearchAxis axis_of(const Picked& picked, const Key& key, const std::vector<Given>& values) {
  SearchAxis axis{&key, {}};
  for (const Given& given : values) {
    Reading one = picked.reading;
    one.given[&key] = given;
    settle(one);
    if (std::ranges::find(axis.values, given.value) != axis.values.end())
      fail(Exit::usage, "{}: {}: {} is there twice", given.place, key.path(), to_toml(given.value));
    axis.values.push_back(given.value);
  }
  if (key.kind == Kind::real) std::ranges::sort(axis.values);
  return axis;
}

Search search_of(const StudyText& text, const std::string& size, const Picked& picked,
                 const Choices& choices) {
  const bool names_method = picked.reading.given.contains(find_key("run", "method"));
  Search search;
  for (const Key* key : picked.searched) {
    const std::vector<Given>& values = choices.at(key).values;
    if (key->section == "rule" && !names_method)
      fail(Exit::usage,
           "{}: {} is searched, so the method's name must not follow from it: set run.method",
           values.front().place, key->path());
    search.axes.push_back(axis_of(picked, *key, values));
  }
  search.base = run_of(size, picked.reading, picked.marks_but_seed, text.dir + "/search");
  search.name = search.base.name();
  OptimSettings& optim = search.base.settings.optim;
  const auto share = [&](std::int64_t tokens) -> std::int64_t {
    return std::llround(static_cast<double>(tokens) * text.search_share);
  };
  optim.tokens = std::max(search.base.settings.step_tokens(), share(optim.tokens));
  optim.warmup_tokens = std::min(optim.tokens, share(optim.warmup_tokens));
  return search;
}

/// Adds the run, and its search unless a run with another seed has added that already.
void add_run(Study& study, const StudyText& text, const std::string& size, const Picked& picked,
             const Choices& choices) {
  StudyRun run = run_of(size, picked.reading, picked.marks, study.runs_folder());
  if (!picked.searched.empty()) {
    Search search = search_of(text, size, picked, choices);
    const auto known = std::ranges::find_if(
        study.searches, [&](const Search& one) { return one.name == search.name; });
    run.search = static_cast<std::size_t>(known - study.searches.begin());
    if (known == study.searches.end()) study.searches.push_back(std::move(search));
  }
  study.runs.push_back(std::move(run));
}

std::int64_t grid_size(const Choices& choices) {
  std::int64_t count = 1;
  for (const auto& [key, choice] : choices)
    if (!is_searched(choice))
      count *= std::max<std::int64_t>(1, static_cast<std::int64_t>(choice.values.size()));
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
        return to_toml(found == choices.end() || found->second.values.empty()
                           ? *key->fallback
                           : found->second.values.front().value);
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
      add_run(study, text, size.name, pick(reading.deck, choices, number), choices);
    } catch (const Error& error) {  // the same mistake comes with every size: said once
      if (std::ranges::find(reading.problems, error.what()) == reading.problems.end())
        reading.problems.emplace_back(error.what());
    }
  }
}

void check_names(Reading& reading, const Study& study) {
  constexpr std::size_t longest = 200;  // decks and logs are called so, with an ending
  std::set<std::string> names;
  for (const StudyRun& run : study.runs) {
    if (run.name().size() > longest)
      reading.problem(reading.deck,
                      "a run would be called {}..., {} bytes; expected at most {}: shorten "
                      "run.method or the names of sizes",
                      run.name().substr(0, 40), run.name().size(), longest);
    if (!names.insert(run.name()).second)
      reading.problem(
          reading.deck,
          "two runs would be called {}: remove a value that a list holds twice, or give "
          "one of the rules another run.method",
          run.name());
  }
}

}  // namespace

Study parse_study(std::string_view toml, const std::string& file,
                  const std::vector<std::string>& overrides) {
  Reading reading{file, {}, {}};
  StudyText text = take_study(reading, toml, overrides);
  reading.stop_if_wrong();
  if (text.name.empty())
    text.name = file.starts_with("/dev/") ? name_from_file(file)  // a pipe
                                          : std::filesystem::path(file).stem().string();
  if (text.dir.empty()) text.dir = "studies/" + text.name;
  if (text.sizes.empty())
    reading.problem(file, "no [[size]]: expected at least one, for example layers = 4, width = 64");
  if (text.rules.empty())
    reading.problem(file, "no [[rule]]: expected at least one, for example name = \"bp\"");
  name_sizes(reading, text);
  reading.stop_if_wrong();
  Study study{text.name, text.dir, text.workers, {}, {}};
  for (const Part& size : text.sizes)
    for (const Part& rule : text.rules) add_runs(reading, study, text, size, rule);
  check_names(reading, study);
  reading.stop_if_wrong();
  return study;
}

Study read_study(const std::string& file, const std::vector<std::string>& overrides) {
  return parse_study(deck_text(file), file, overrides);
}

void predict(StudyRun& run) {
  Settings& s = run.settings;
  resolve_vocabulary(s);
  const Flops flops = flops_per_token(shape_of(s.model), s.rule);
  run.flops = flops.total() * static_cast<double>(s.steps() * s.step_tokens());
  const auto validations = std::min(s.run.validate_points, s.steps()) + 2;
  run.passes =
      flops.forward * static_cast<double>(validations * s.data.valid_sequences * s.model.context);
}

void predict(Study& study) {
  for (StudyRun& run : study.runs) predict(run);
  for (Search& search : study.searches) predict(search.base);
}

}  // namespace dfascale
