// Alignment of the rule's gradient with backpropagation's over training, from run folders.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/csv.hpp"
#include "analysis/escape.hpp"
#include "analysis/figures.hpp"
#include "analysis/gnuplot.hpp"
#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

namespace fs = std::filesystem;

constexpr const char* thin_and_thick = "thin: single blocks; thick: all gradients";

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

Drawn draw_alignment(const Results& results, const fs::path& folder) {
  Figure figure("alignment", 500);
  std::string thin, thick;
  std::size_t entries = 1, longest = visible_length(thin_and_thick);
  for (const auto& [method, series] : largest_alignments(results))
    for (const auto& [name, points] : series) {
      const Look style = look(place_of(results, method));
      if (name != "all") {
        thin += curve(figure, points, fmt::format("lines lw 1 lc rgb \"{}\" notitle", style.tint));
        continue;
      }
      ++entries;
      longest = std::max(longest, visible_length(display_name(method)));
      thick += curve(figure, points,
                     fmt::format("linespoints lw 2.5 pt {} pi {} lc rgb \"{}\" title '{}'",
                                 style.point, std::max<std::size_t>(1, points.size() / 8),
                                 style.colour, gnuplot(display_name(method))));
    }
  if (thin.empty() && thick.empty()) {
    remove_figure(folder, "alignment");
    return Drawn::nothing_to_show;
  }
  const std::string plots =
      thin + thick +
      fmt::format("keyentry with lines lw 1 lc rgb \"#999999\" title '{}'", thin_and_thick);
  const TopKey key(entries, longest);
  figure.grow(key.height);
  figure.draw(axes_style());
  figure.draw(fmt::format(
      "  set xlabel \"step\"\n  set ylabel \"cosine with the backpropagated gradient\"\n"
      "{}  set xrange [0:*]\n  set yrange [*<-0.05:1]\n  plot {}\n",
      key.commands(figure.height()), plots));
  return figure.render(folder) ? Drawn::yes : Drawn::no_gnuplot;
}

}  // namespace dfascale::fit
