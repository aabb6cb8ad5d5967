// Figures of the training itself, from run folders: loss against learning rate, and alignment of
// the rule's gradient with backpropagation's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "analysis/csv.hpp"
#include "analysis/figures.hpp"
#include "analysis/gnuplot.hpp"
#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

namespace fs = std::filesystem;

/// Place of a method in the order of the figures: its look.
std::size_t place_of(const Results& results, const std::string& name) {
  const auto order = ordered_methods(results);
  const auto found =
      std::find_if(order.begin(), order.end(), [&](const Method* m) { return m->name == name; });
  return static_cast<std::size_t>(found - order.begin());
}

/// Largest learning rate of a run; nothing where metrics.csv has none.
std::optional<double> peak_learning_rate(const std::string& folder) {
  CsvReader csv((fs::path(folder) / "metrics.csv").string(), LastLine::may_be_torn);
  const auto column = csv.column("lr");
  double peak = 0;
  while (column && csv.next()) peak = std::max(peak, csv.number(*column).value_or(0));
  return peak > 0 ? std::optional(peak) : std::nullopt;
}

/// Last measured loss; nothing for a run that diverged at its end.
std::optional<double> final_loss(const InputRun& run) {
  const auto last = std::find_if(run.rows.rbegin(), run.rows.rend(), [](const InputRow& row) {
    return !row.lacks(InputRow::loss_column);
  });
  if (last == run.rows.rend() || !std::isfinite(last->loss)) return std::nullopt;
  return last->loss;
}

/// (method, N) -> learning rate -> least final loss.
using Sweeps = std::map<std::pair<std::string, double>, std::map<double, double>>;

Sweeps sweeps_of(const Results& results) {
  Sweeps sweeps;
  Options options = results.options;
  options.csv_files.clear();
  for (const InputRun& run : read_inputs(options)) {
    const auto rate = peak_learning_rate(run.folder);
    const auto loss = final_loss(run);
    if (!rate || !loss) continue;
    const auto [entry, is_new] = sweeps[{run.method, run.params}].try_emplace(*rate, *loss);
    entry->second = std::min(entry->second, *loss);
  }
  std::erase_if(sweeps, [](const auto& sweep) { return sweep.second.size() < 3; });
  return sweeps;
}

/// cosine by step, one series per tensor or block.
using Alignment = std::map<std::string, std::vector<std::pair<double, double>>>;

Alignment read_alignment(const std::string& folder) {
  const fs::path file = fs::path(folder) / "alignment.csv";
  Alignment series;
  if (!fs::exists(file)) return series;
  CsvReader csv(file.string(), LastLine::may_be_torn);
  const std::size_t step = csv.required_column("step"), tensor = csv.required_column("tensor"),
                    cosine = csv.required_column("cosine");
  while (csv.next()) {
    const std::string name(csv.text(tensor));
    const bool block = name.starts_with("blocks.") && name.find('.', 7) == std::string::npos;
    const auto at = csv.number(step), value = csv.number(cosine);
    if ((block || name == "all") && at && value && std::isfinite(*value))
      series[name].emplace_back(*at, *value);
  }
  return series;
}

/// Of each method but the reference the largest run that has an alignment.csv.
std::map<std::string, Alignment> largest_alignments(const Results& results) {
  std::map<std::string, double> params;
  std::map<std::string, Alignment> largest;
  Options options = results.options;
  options.csv_files.clear();
  if (options.run_folders.empty()) return largest;
  for (const InputRun& run : read_inputs(options)) {
    if (run.params <= params[run.method] || run.method == options.reference) continue;
    Alignment found = read_alignment(run.folder);
    if (found.empty()) continue;
    params[run.method] = run.params;
    largest[run.method] = std::move(found);
  }
  return largest;
}

std::string curve(Figure& figure, const std::vector<std::pair<double, double>>& points,
                  const std::string& style) {
  std::vector<std::string> rows;
  rows.reserve(points.size());
  for (const auto& [x, y] : points) rows.push_back(fmt::format("{:.7g} {:.7g}", x, y));
  return fmt::format("{} with {}, \\\n    ", figure.data(rows), style);
}

}  // namespace

Drawn draw_learning_rates(const Results& results, const fs::path& folder) {
  const Sweeps sweeps = results.options.run_folders.empty() ? Sweeps{} : sweeps_of(results);
  if (sweeps.empty()) {
    remove_figure(folder, "learning_rate");
    return Drawn::nothing_to_show;
  }
  Figure figure("learning_rate", 560);
  std::string plots;
  std::set<std::string> named;
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const auto& [key, losses] : sweeps) {
    const Look& style = look(place_of(results, key.first));
    const std::string title = named.insert(key.first).second
                                  ? fmt::format("title '{}'", escaped(display_name(key.first)))
                                  : "notitle";
    low = std::min(low, losses.begin()->first);
    high = std::max(high, losses.rbegin()->first);
    plots += curve(
        figure, {losses.begin(), losses.end()},
        fmt::format("linespoints lw 1.5 pt {} lc rgb \"{}\" {}", style.point, style.colour, title));
  }
  figure.draw(axes_style());
  figure.draw(
      fmt::format("  set logscale x\n  set format x \"10^{{%T}}\"\n  set xlabel \"largest learning "
                  "rate of the schedule\"\n"
                  "  set ylabel \"final {} loss [nat/token]\"\n"
                  "  set key tmargin center horizontal Left reverse samplen 3.5\n"
                  "  set xrange [{:.6g}:{:.6g}]\n  plot {}\n",
                  results.options.loss == Loss::train ? "training" : "validation", low / 1.4,
                  high * 1.4, plots.substr(0, plots.rfind(','))));
  return figure.render(folder) ? Drawn::yes : Drawn::no_gnuplot;
}

Drawn draw_alignment(const Results& results, const fs::path& folder) {
  Figure figure("alignment", 560);
  std::string thin, thick;
  for (const auto& [method, series] : largest_alignments(results))
    for (const auto& [name, points] : series) {
      const Look& style = look(place_of(results, method));
      if (name == "all")
        thick += curve(
            figure, points,
            fmt::format("linespoints lw 2.5 pt {} pi {} lc rgb \"{}\" title '{} (thin: single "
                        "blocks)'",
                        style.point, std::max<std::size_t>(1, points.size() / 8), style.colour,
                        escaped(display_name(method))));
      else
        thin += curve(figure, points, fmt::format("lines lw 1 lc rgb \"{}\" notitle", style.tint));
    }
  const std::string plots = thin + thick;
  if (plots.empty()) {
    remove_figure(folder, "alignment");
    return Drawn::nothing_to_show;
  }
  figure.draw(axes_style());
  figure.draw(fmt::format(
      "  set xlabel \"step\"\n  set ylabel \"cosine with the backpropagated gradient\"\n"
      "  set key tmargin center horizontal Left reverse samplen 3.5\n"
      "  set yrange [*<-0.05:1]\n  plot {}\n",
      plots.substr(0, plots.rfind(','))));
  return figure.render(folder) ? Drawn::yes : Drawn::no_gnuplot;
}

}  // namespace dfascale::fit
