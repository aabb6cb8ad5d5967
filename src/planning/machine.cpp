#include "planning/machine.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"
#include "deck/deck.hpp"
#include "deck/take.hpp"
#include "deck/toml_text.hpp"

namespace dfascale {
namespace {

/// A number of a machine's file.
struct Figure {
  std::string_view path;
  double least, most;
  enum class Need { always, optional } need;
  enum class Kind { real, whole } kind;
  void (*set)(Machine&, double);
};

constexpr double many = 1e9, tiny = 1e-9;
using Need = Figure::Need;
using Kind = Figure::Kind;

// clang-format off
constexpr std::array figures = {
  Figure{"nodes",             1,    1 << 20, Need::always,   Kind::whole, [](Machine& m, double x) { m.nodes = std::llround(x); }},
  Figure{"ranks_per_node",    1,    1 << 10, Need::always,   Kind::whole, [](Machine& m, double x) { m.ranks_per_node = std::llround(x); }},
  Figure{"peak_tflops",       tiny, many,    Need::always,   Kind::real,  [](Machine& m, double x) { m.peak_flops = 1e12 * x; }},
  Figure{"efficiency",        tiny, 1,       Need::always,   Kind::real,  [](Machine& m, double x) { m.efficiency = x; }},
  Figure{"memory_gib",        tiny, many,    Need::always,   Kind::real,  [](Machine& m, double x) { m.memory_bytes = 1024.0 * 1024 * 1024 * x; }},
  Figure{"memory_gb_per_s",   tiny, many,    Need::always,   Kind::real,  [](Machine& m, double x) { m.memory_bandwidth = 1e9 * x; }},
  Figure{"overhead_us",       0,    many,    Need::optional, Kind::real,  [](Machine& m, double x) { m.overhead = 1e-6 * x; }},
  Figure{"value_bytes",       1,    8,       Need::optional, Kind::whole, [](Machine& m, double x) { m.value_bytes = x; }},
  Figure{"inside.latency_us", 0,    many,    Need::always,   Kind::real,  [](Machine& m, double x) { m.inside.latency = 1e-6 * x; }},
  Figure{"inside.gb_per_s",   tiny, many,    Need::always,   Kind::real,  [](Machine& m, double x) { m.inside.bandwidth = 1e9 * x; }},
  Figure{"between.latency_us",0,    many,    Need::always,   Kind::real,  [](Machine& m, double x) { m.between.latency = 1e-6 * x; }},
  Figure{"between.gb_per_s",  tiny, many,    Need::always,   Kind::real,  [](Machine& m, double x) { m.between.bandwidth = 1e9 * x; }},
};
// clang-format on
/// One of two words.
struct Choice {
  std::string_view path, first, second;
  void (*set)(Machine&, bool is_second);
};
constexpr std::array choices = {
    Choice{"messages_move", "at_receive", "at_send",
           [](Machine& m, bool is_second) {
             m.transfer = is_second ? Transfer::at_send : Transfer::at_receive;
           }},
    Choice{"errors_move", "one_by_one", "broadcast",
           [](Machine& m, bool is_second) {
             m.errors = is_second ? ErrorTransfer::broadcast : ErrorTransfer::one_by_one;
           }},
};
constexpr std::string_view name_key = "name";

std::vector<std::string_view> known_keys() {
  std::vector<std::string_view> keys = {name_key};
  for (const Choice& choice : choices) keys.push_back(choice.path);
  for (const Figure& figure : figures) keys.push_back(figure.path);
  return keys;
}

/// A machine's file while it is being read.
struct Draft {
  Machine machine;
  std::vector<std::string_view> given;
  std::vector<std::string> problems;
};

void take_figure(Draft& draft, const Figure& figure, const toml::node& node,
                 const std::string& place) {
  draft.given.push_back(figure.path);
  const bool is_right_kind = figure.kind == Kind::whole ? node.is_integer() : node.is_number();
  const double value = node.value<double>().value_or(0);
  if (!is_right_kind || !(value >= figure.least && value <= figure.most))
    draft.problems.push_back(fmt::format(
        "{}: {}: expected {} from {:g} to {:g}", place, figure.path,
        figure.kind == Kind::whole ? "a whole number" : "a number", figure.least, figure.most));
  else figure.set(draft.machine, value);
}

void take_choice(Draft& draft, const Choice& choice, const toml::node& node,
                 const std::string& place) {
  const std::string text = node.value<std::string>().value_or("");
  if (text == choice.first || text == choice.second)
    choice.set(draft.machine, text == choice.second);
  else
    draft.problems.push_back(fmt::format("{}: {}: expected \"{}\" or \"{}\"", place, choice.path,
                                         choice.first, choice.second));
}

void take(Draft& draft, const std::string& path, const toml::node& node, const std::string& place) {
  const auto named = [&](const auto& row) { return row.path == path; };
  const auto figure = std::find_if(figures.begin(), figures.end(), named);
  if (figure != figures.end()) return take_figure(draft, *figure, node, place);
  const auto choice = std::find_if(choices.begin(), choices.end(), named);
  if (choice != choices.end()) return take_choice(draft, *choice, node, place);
  if (path != name_key) {
    draft.problems.push_back(fmt::format("{}: {}: unknown key{}; keys are {}", place, path,
                                         did_you_mean(path, known_keys()),
                                         fmt::join(known_keys(), ", ")));
  } else if (!node.is_string()) {
    draft.problems.push_back(fmt::format("{}: name: expected text", place));
  } else {
    draft.machine.name = node.value<std::string>().value_or("");
    if (const std::string why = unfit_for_paths(draft.machine.name); !why.empty())
      draft.problems.push_back(fmt::format("{}: name: {}", place, why));
  }
}

void take_table(Draft& draft, const toml::table& table, const std::string& prefix,
                const std::string& file) {
  for (const auto& [name, node] : table) {
    const std::string path = prefix + std::string(name.str());
    const std::string place = at_line(file, name.source());
    if (const toml::table* inner = node.as_table()) take_table(draft, *inner, path + ".", file);
    else take(draft, path, node, place);
  }
}

}  // namespace

Machine read_machine(const std::string& file, const std::vector<std::string>& overrides) {
  Draft draft;
  take_table(draft, parse_toml(deck_text(file), file), "", file);
  for (const std::string& text : overrides) {
    const std::string place = "--machine-set " + text;
    take_table(draft, parse_toml(text, place), "", place);
  }
  for (const Figure& figure : figures)
    if (figure.need == Need::always &&
        std::find(draft.given.begin(), draft.given.end(), figure.path) == draft.given.end())
      draft.problems.push_back(fmt::format("{}: {} is missing", file, figure.path));
  if (draft.machine.errors == ErrorTransfer::broadcast &&
      draft.machine.transfer == Transfer::at_receive)
    draft.problems.push_back(
        fmt::format("{}: errors_move = \"broadcast\": the network passes errors on by itself; set "
                    "messages_move "
                    "= \"at_send\"",
                    file));
  if (!draft.problems.empty()) fail(Exit::usage, "{}", fmt::join(draft.problems, "\n"));
  if (draft.machine.name.empty()) draft.machine.name = file;
  return draft.machine;
}

double ring_seconds(const Machine& machine, std::int64_t first, std::int64_t n, double bytes) {
  if (n <= 1) return 0;
  const bool is_inside = machine.node_of(first) == machine.node_of(first + n - 1);
  const double neighbours = static_cast<double>(std::min(n, machine.ranks_per_node));
  const double bandwidth =
      is_inside ? machine.inside.bandwidth
                : std::min(machine.inside.bandwidth, neighbours * machine.between.bandwidth);
  const double latency = is_inside ? machine.inside.latency : machine.between.latency;
  const double count = static_cast<double>(n);
  return (count - 1) / count * bytes / bandwidth + std::ceil(std::log2(count)) * latency;
}

}  // namespace dfascale
