// A study's TOML, section by section, into choices.
#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "deck/names.hpp"
#include "deck/take.hpp"
#include "deck/toml_text.hpp"
#include "study/choices.hpp"

namespace dfascale {
namespace {

constexpr std::array<std::string_view, 4> study_keys = {"name", "dir", "workers", "search_share"};

/// The study gives these itself.
bool belongs_to_study(const Key& key) {
  return key.section == "run" && (key.name == "name" || key.name == "dir");
}

/// What may be searched: not what changes the cost, the data or the seed of a run.
bool can_be_searched(const Key& key) {
  constexpr std::array<std::string_view, 5> of_the_cost = {"optim.tokens", "optim.batch_sequences",
                                                           "optim.warmup_tokens", "rule.name",
                                                           "optim.precision"};
  const bool is_how =
      key.section == "optim" || key.section == "rule" || key.path() == "model.init_std";
  return is_how && std::ranges::find(of_the_cost, key.path()) == of_the_cost.end();
}

/// The list of `{search = [...]}`; null if the node is no search, or a wrong one.
const toml::array* searched_list(Reading& reading, const Key& key, const toml::node& node,
                                 const std::string& place) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return nullptr;
  const toml::array* list = table->get("search") ? table->get("search")->as_array() : nullptr;
  if (list == nullptr || table->size() != 1 || list->size() < 2) {
    reading.problem(place, "{}: expected a value, a list, or search = [two values or more]",
                    key.path());
    return nullptr;
  }
  if (can_be_searched(key)) return list;
  reading.problem(place,
                  "{}: cannot be searched; expected model.init_std, or a key of [rule] or "
                  "[optim] that leaves a run's tokens and batches alone",
                  key.path());
  return nullptr;
}

/// One value, a list of values to try, or a search.
void take_choices(Reading& reading, Choices& choices, const Key& key, const toml::node& node,
                  const std::string& place) {
  if (belongs_to_study(key)) {
    reading.problem(place, "{}: a study names its runs and their folder itself; use study.dir",
                    key.path());
    return;
  }
  const auto take = [&](const toml::node& one) {
    Reading single{reading.deck, {}, {}};
    take_value(single, key, plain_value(one), place);
    for (const auto& [_, given] : single.given) choices[&key].values.push_back(given);
    std::ranges::copy(single.problems, std::back_inserter(reading.problems));
  };
  choices[&key] = {};
  const toml::array* list = node.as_array();
  if (node.is_table()) {
    list = searched_list(reading, key, node, place);
    if (list == nullptr) return;
    choices[&key].use = Use::best;
  }
  if (list == nullptr) {
    take(node);
  } else if (list->empty()) {
    reading.problem(place, "{} = []: expected at least one value", key.path());
  } else {
    for (const toml::node& one : *list) take(one);
  }
}

void take_key(Reading& reading, Choices& choices, std::string_view section, std::string_view name,
              const toml::node& node) {
  const std::string place = at_line(reading.deck, node.source());
  if (const Key* key = find_key(section, name)) {
    take_choices(reading, choices, *key, node, place);
  } else {
    reading.problem(place, "[{}] {}: unknown key{}", section, name, key_suggestion(section, name));
  }
}

void take_section(Reading& reading, Choices& choices, std::string_view section,
                  const toml::table& table) {
  for (const auto& [name, node] : table) take_key(reading, choices, section, name.str(), node);
}

void take_name(Reading& reading, std::string& name, const toml::node& node, std::string_view what) {
  const auto* text = node.as_string();
  const Key& key = *find_key("run", "name");
  const auto plain = text ? convert(key, text->get()) : std::nullopt;
  if (plain) {
    name = text->get();
  } else {
    reading.problem(at_line(reading.deck, node.source()), "{}: expected {}", what, allowed(key));
  }
}

/// [rule.at.SIZE] or at.SIZE.section.key: choices of a rule for one size.
void take_at(Reading& reading, Part& part, const toml::node& node) {
  const std::string place = at_line(reading.deck, node.source());
  const toml::table* sizes = node.as_table();
  if (sizes == nullptr) {
    reading.problem(place, "at: expected at.SIZE.section.key = value");
    return;
  }
  for (const auto& [size, sections] : *sizes) {
    const toml::table* table = sections.as_table();
    if (table == nullptr) {
      reading.problem(place, "at.{}: expected at.{}.section.key = value", size.str(), size.str());
      continue;
    }
    for (const auto& [section, keys] : *table) {
      if (is_section(section.str()) && keys.is_table())
        take_section(reading, part.at[std::string(size.str())], section.str(), *keys.as_table());
      else
        reading.problem(place, "at.{}.{}: expected a section with a key{}", size.str(),
                        section.str(), did_you_mean(section.str(), section_names()));
    }
  }
}

/// A [[size]] or [[rule]]: `own` is the section of its plain keys, other sections are written out.
Part take_part(Reading& reading, std::string_view own, const toml::table& table) {
  Part part;
  part.place = at_line(reading.deck, table.source());
  for (const auto& [name, node] : table) {
    if (own == "model" && name.str() == "name") {
      take_name(reading, part.name, node, "[[size]] name");
    } else if (own == "rule" && name.str() == "at") {
      take_at(reading, part, node);
    } else if (is_section(name.str()) && node.is_table()) {
      take_section(reading, part.choices, name.str(), *node.as_table());
    } else {
      take_key(reading, part.choices, own, name.str(), node);
    }
  }
  return part;
}

void take_parts(Reading& reading, std::vector<Part>& parts, std::string_view list,
                std::string_view own, const toml::node& node) {
  const toml::array* entries = node.as_array();
  if (entries == nullptr || !entries->is_homogeneous(toml::node_type::table)) {
    reading.problem(at_line(reading.deck, node.source()), "{}: expected a list, [[{}]]", list,
                    list);
    return;
  }
  for (const toml::node& entry : *entries)
    parts.push_back(take_part(reading, own, *entry.as_table()));
}

void take_folder(Reading& reading, std::string& dir, const toml::node& node,
                 const std::string& place) {
  const std::string text = node.value<std::string>().value_or("");
  std::string why = text.empty() ? "expected a folder's path in quotes" : unfit_for_paths(text);
  if (why.empty()) why = too_long_path(text);
  if (why.empty()) dir = text;
  else reading.problem(place, "study.dir = {}: {}", to_toml(text), why);
}

void take_study_key(Reading& reading, StudyText& study, std::string_view name,
                    const toml::node& node, const std::string& place) {
  if (name == "name") {
    take_name(reading, study.name, node, "study.name");
  } else if (name == "dir") {
    take_folder(reading, study.dir, node, place);
  } else if (name == "workers") {
    const auto* count = node.as_integer();
    if (count != nullptr && count->get() >= 0 && count->get() <= 4096) study.workers = count->get();
    else reading.problem(place, "study.workers: expected an integer, 0 to 4096; 0: one per core");
  } else if (name == "search_share") {
    const double share = node.value<double>().value_or(0);
    if (share > 0 && share <= 1) study.search_share = share;
    else reading.problem(place, "study.search_share: expected a number above 0, at most 1");
  } else {
    reading.problem(place, "[study] {}: unknown key{}; [study] has {}", name,
                    did_you_mean(name, {study_keys.begin(), study_keys.end()}),
                    fmt::join(study_keys, ", "));
  }
}

void take_root(Reading& reading, StudyText& study, std::string_view name, const toml::node& node) {
  const toml::table* table = node.as_table();
  if (name == "size") {
    take_parts(reading, study.sizes, "size", "model", node);
  } else if (name == "rule") {
    take_parts(reading, study.rules, "rule", "rule", node);
  } else if (name == "study" && table) {
    for (const auto& [key, value] : *table)
      take_study_key(reading, study, key.str(), value, at_line(reading.deck, value.source()));
  } else if (table && is_section(name)) {
    take_section(reading, study.base, name, *table);
  } else {
    std::vector<std::string_view> known = section_names();
    known.insert(known.end(), {"study", "size"});
    reading.problem(at_line(reading.deck, node.source()),
                    "{}: not a part of a study{}; a study has [study], [[size]], [[rule]] and the "
                    "sections of decks: {}",
                    name, did_you_mean(name, known), fmt::join(section_names(), ", "));
  }
}

/// --set study.key=value or section.key=value; lists and searches as TOML writes them.
void take_override(Reading& reading, StudyText& study, const std::string& text) {
  const auto given = override_of(reading, text);
  if (!given) return;
  const auto& [section, name, value, place] = *given;
  const Key* key = find_key(section, name);
  const bool is_choice = value.starts_with('[') || value.starts_with('{');
  if (section == "study" || (key != nullptr && is_choice)) {
    auto node = parse_toml_value(value);
    if (!node) node = std::make_unique<toml::value<std::string>>(value);  // a bare word
    if (section == "study") take_study_key(reading, study, name, *node, place);
    else take_choices(reading, study.overrides, *key, *node, place);
    return;
  }
  if (key != nullptr && belongs_to_study(*key)) {
    reading.problem(place, "a study names its runs and their folder itself; use study.dir");
    return;
  }
  Reading single{reading.deck, {}, {}};
  dfascale::take_override(single, *given);
  for (const auto& [taken, kept] : single.given) study.overrides[taken] = {{kept}};
  std::ranges::copy(single.problems, std::back_inserter(reading.problems));
}

}  // namespace

StudyText take_study(Reading& reading, std::string_view text,
                     const std::vector<std::string>& overrides) {
  StudyText study;
  const toml::table root = parse_toml(text, reading.deck);
  for (const auto& [name, node] : root) take_root(reading, study, name.str(), node);
  sort_by_line(reading);
  for (const std::string& override : overrides) take_override(reading, study, override);
  return study;
}

}  // namespace dfascale
