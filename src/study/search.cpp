#include "study/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "study/marks.hpp"

namespace dfascale {
namespace {

/// Positive numbers of a key that takes any real one can be continued in a ratio.
bool can_widen(const SearchAxis& axis) {
  return axis.key->kind == Kind::real && axis.values.size() >= 2 &&
         std::get<double>(axis.values.front()) > 0;
}

double two_digits(double value) {
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 1);
  return std::stod(fmt::format("{:.12g}", std::round(value / unit) * unit));
}

/// The value beyond an end of the axis, in the ratio of the last two; nothing out of the key's
/// range.
std::optional<Value> beyond(const Key& key, const Value& inner, const Value& end) {
  const double last = std::get<double>(end);
  const Value next = two_digits(last * last / std::get<double>(inner));
  if (next == end || !in_range(key, next)) return std::nullopt;
  return next;
}

/// Continues an axis whose best value is its first or last one.
bool widen(SearchAxis& axis, std::size_t best) {
  if (!can_widen(axis)) return false;
  auto& v = axis.values;
  if (best == 0) {
    if (const auto next = beyond(*axis.key, v[1], v[0])) {
      v.insert(v.begin(), *next);
      return true;
    }
  } else if (best == v.size() - 1) {
    if (const auto next = beyond(*axis.key, v[best - 1], v[best])) {
      v.push_back(*next);
      return true;
    }
  }
  return false;
}

/// Every combination of the axes' values, the last axis fastest, as numbers of values.
std::vector<std::vector<std::size_t>> grid(const std::vector<SearchAxis>& axes) {
  std::vector<std::vector<std::size_t>> places = {{}};
  for (const SearchAxis& axis : axes) {
    std::vector<std::vector<std::size_t>> longer;
    for (const auto& place : places)
      for (std::size_t i = 0; i < axis.values.size(); ++i) {
        longer.push_back(place);
        longer.back().push_back(i);
      }
    places = std::move(longer);
  }
  return places;
}

Place values_at(const std::vector<SearchAxis>& axes, const std::vector<std::size_t>& numbers) {
  Place place;
  for (std::size_t a = 0; a < axes.size(); ++a) place.push_back(axes[a].values[numbers[a]]);
  return place;
}

StudyRun candidate(const Search& search, const Place& place) {
  StudyRun run = search.base;
  put(run.settings, search, place);
  run.settings.run.name = search.name;
  for (std::size_t a = 0; a < place.size(); ++a)
    run.settings.run.name += mark(*search.axes[a].key, place[a]);
  return run;
}

/// Number of the best candidate; nothing while one is missing.  Where all diverged it is the first,
/// so that smaller values are tried.
std::optional<std::size_t> least(Exploration& now, const Look& look) {
  now.loss = std::numeric_limits<double>::infinity();
  std::size_t best = 0;
  bool is_over = true;
  for (std::size_t i = 0; i < now.candidates.size(); ++i) {
    const std::optional<double> loss =
        look(now.candidates[i]);  // each is looked at: all are wanted
    is_over = is_over && loss;
    if (!loss || *loss >= now.loss) continue;
    now.loss = *loss;
    best = i;
  }
  return is_over ? std::optional(best) : std::nullopt;
}

}  // namespace

std::string describe(const Search& search, const Place& place) {
  std::string text;
  for (std::size_t a = 0; a < place.size(); ++a)
    text +=
        fmt::format("{}{} = {}", a > 0 ? ", " : "", search.axes[a].key->name, to_toml(place[a]));
  return text;
}

void put(Settings& settings, const Search& search, const Place& place) {
  for (std::size_t a = 0; a < place.size(); ++a) search.axes[a].key->write(settings, place[a]);
}

Exploration explore(const Search& search, const Look& look) {
  std::vector<SearchAxis> axes = search.axes;
  std::vector<int> widened(axes.size(), 0);
  while (true) {
    const auto places = grid(axes);
    Exploration now;
    for (const auto& numbers : places)
      now.candidates.push_back(candidate(search, values_at(axes, numbers)));
    const std::optional<std::size_t> best = least(now, look);
    if (!best) return now;
    bool has_grown = false;
    for (std::size_t a = 0; a < axes.size(); ++a)
      if (widened[a] < most_widenings && widen(axes[a], places[*best][a])) {
        ++widened[a];
        has_grown = true;
      }
    if (has_grown) continue;
    now.is_hopeless = std::isinf(now.loss);
    if (!now.is_hopeless) now.best = values_at(axes, places[*best]);
    return now;
  }
}

}  // namespace dfascale
