// The frontiers under every accounting on one axis: the paper's N D rules, exact FLOP, and measured
// time as the FLOP that the device could have done in it (seconds x peak).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/escape.hpp"
#include "analysis/figures.hpp"
#include "analysis/gnuplot.hpp"
#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

constexpr int title_pixels = 30;  ///< of a panel's title

struct Panel {
  const char* title;
  std::vector<Method> methods;  ///< x in ln FLOP
};

/// Runs with device-seconds turned into FLOP by the peak of their device; empty if any lacks one,
/// as all of a long CSV file do.
std::vector<InputRun> seconds_as_flop(const Options& options) {
  if (!options.csv_files.empty()) return {};
  std::vector<InputRun> runs = read_inputs(options);
  for (InputRun& run : runs) {
    if (!run.peak_flops) return {};
    for (InputRow& row : run.rows) row.cost *= *run.peak_flops;
  }
  return runs;
}

/// The frontiers under one accounting; no methods where the files lack its column.
Panel panel(const char* title, Options options, Accounting accounting) {
  Panel out{title, {}};
  options.accounting = accounting;
  options.surface = Surface::skipped;
  Warnings seen_before;
  try {
    std::vector<InputRun> runs =
        accounting == Accounting::seconds ? seconds_as_flop(options) : read_inputs(options);
    if (!runs.empty())
      out.methods =
          fit_methods(clean_runs(std::move(runs), options, seen_before), options, seen_before);
  } catch (const InputError&) {
    // this accounting does not apply to these files; the others still do
  }
  return out;
}

/// Ranges over all panels, in PF-days and nat.
struct Ranges {
  double low_x = std::numeric_limits<double>::infinity(), high_x = 0;
  double low_y = low_x, high_y = 0;

  void cover(double C, double L) {
    low_x = std::min(low_x, C);
    high_x = std::max(high_x, C);
    low_y = std::min(low_y, L);
    high_y = std::max(high_y, L);
  }
};

std::string lines_of(const Panel& panel, const std::vector<const Method*>& order, Figure& figure,
                     Ranges& ranges) {
  std::string plots;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto method = std::find_if(panel.methods.begin(), panel.methods.end(),
                                     [&](const Method& m) { return m.name == order[i]->name; });
    if (method == panel.methods.end() || method->fits.frontier.trimmed().empty()) continue;
    std::vector<std::string> rows;
    for (const FrontierPoint& p : method->fits.frontier.trimmed()) {
      const double C = std::exp(p.x) / pf_day, L = std::exp(p.y);
      rows.push_back(fmt::format("{:.7g} {:.7g}", C, L));
      ranges.cover(C, L);
    }
    plots += fmt::format("{}{} with linespoints lw 2 lc rgb \"{}\" pt {} ps 0.7 pi {} title '{}'",
                         plots.empty() ? "" : ", \\\n    ", figure.data(rows), look(i).colour,
                         look(i).point, std::max<std::size_t>(1, rows.size() / 6),
                         gnuplot(display_name(method->name)));
  }
  return plots;
}

}  // namespace

Drawn draw_accountings(const Results& results, const std::filesystem::path& folder) {
  const Options& options = results.options;
  Panel measured = panel("measured seconds × peak FLOP/s", options, Accounting::seconds);
  if (measured.methods.empty()) {
    remove_figure(folder, "accountings");
    return Drawn::nothing_to_show;
  }
  const Panel panels[] = {panel("paper: 6ND, 4ND, 2ND", options, Accounting::paper),
                          panel("optimistic: 2ND for DFA", options, Accounting::optimistic),
                          panel("exact FLOP", options, Accounting::exact), std::move(measured)};
  Figure figure("accountings", 640);
  std::size_t longest = 0;
  for (const Method& method : results.methods)
    longest = std::max(longest, visible_length(display_name(method.name)));
  const TopKey key(results.methods.size(), longest);
  figure.grow(key.height);
  Ranges ranges;
  std::string commands;
  for (const Panel& p : panels) {
    const std::string lines = lines_of(p, ordered_methods(results), figure, ranges);
    if (!lines.empty())
      commands +=
          fmt::format("  set title \"{}\" offset 0,-0.6\n  plot {}\n  unset key\n", p.title, lines);
  }
  figure.draw(axes_style());
  figure.draw(fmt::format(
      "  set multiplot layout 2,2 margins 0.08,0.97,0.09,{:.4f} spacing 0.09,0.14\n"
      "  set logscale xy\n  set format x \"10^{{%T}}\"\n  set xlabel \"PF-days\" offset 0,0.5\n"
      "  set ylabel \"loss [nat/token]\" offset 1,0\n{}"
      "  set xrange [{:.6g}:{:.6g}]\n  set yrange [{:.6g}:{:.6g}]\n{}",
      key.end(figure.height(), title_pixels), key.place(figure.height()), ranges.low_x / 1.3,
      ranges.high_x * 1.3, ranges.low_y * 0.98, ranges.high_y * 1.02,
      tick_command('y', log_ticks(ranges.low_y * 0.98, ranges.high_y * 1.02))));
  figure.draw(commands + "  unset multiplot\n");
  return figure.render(folder) ? Drawn::yes : Drawn::no_gnuplot;
}

}  // namespace dfascale::fit
