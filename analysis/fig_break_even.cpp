// The break-even multiplier M(C) of every method, with the band of its 95 % interval.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/break_even.hpp"
#include "analysis/escape.hpp"
#include "analysis/figures.hpp"
#include "analysis/gnuplot.hpp"
#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

/// Builds the figure comparison by comparison.
class BreakEvenFigure {
 public:
  explicit BreakEvenFigure(const Results& results) : results_(results) {}

  Drawn draw(const std::filesystem::path& folder) {
    const auto methods = ordered_methods(results_);
    for (std::size_t i = 0; i < methods.size(); ++i)
      for (const Comparison& c : results_.comparisons)
        if (c.method == methods[i]->name && c.evaluated()) add(c, look(i));
    if (lines_.empty()) {
      remove_figure(folder, "breakeven");
      return Drawn::nothing_to_show;
    }
    lines_ += "keyentry with points pt 6 ps 1.6 lw 1.5 lc rgb \"#666666\" title '" +
              std::string(measured_title) + "', ";
    const TopKey key(entries_ + 1, longest_label_);
    figure_.grow(key.height);
    const double low = std::min(low_, 0.8) / 1.3, high = std::max(high_, 1.25) * 1.3;
    const std::string reference = gnuplot(display_name(results_.options.reference));
    figure_.draw(axes_style());
    figure_.draw(fmt::format(
        "  set logscale xy\n  set format x \"10^{{%T}}\"\n"
        "  set xlabel 'compute C of {0} [{1}]'\n"
        "  set ylabel 'compute needed, in units of that of {0}: M(C)'\n"
        "{9}  set xrange [{2:.6g}:{3:.6g}]\n  set yrange [{4:.6g}:{5:.6g}]\n{6}"
        "  set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead lw 1 lc rgb \"#000000\"\n"
        "  plot {7}{8}\n",
        reference, compute_unit_name(results_), low_C_ / 1.3, high_C_ * 1.3, low, high,
        ticks(low, high), bands_, lines_.substr(0, lines_.rfind(',')),
        key.commands(figure_.height())));
    return figure_.render(folder) ? Drawn::yes : Drawn::no_gnuplot;
  }

 private:
  /// Powers of ten over many decades, readable numbers over few.
  static std::string ticks(double low, double high) {
    if (high / low > 1e5) return "  set format y \"10^{%T}\"\n";
    return tick_command('y', log_ticks(low, high));
  }

  static constexpr double tallest = 1e12;  ///< M beyond this would flatten all the rest

  void cover(double C, double M) {
    low_C_ = std::min(low_C_, C);
    high_C_ = std::max(high_C_, C);
    if (M > tallest || M < 1 / tallest) return;
    low_ = std::min(low_, M);
    high_ = std::max(high_, M);
  }

  /// A line in two parts: solid within the data, dashed beyond.
  void add(const Comparison& c, const Look& look) {
    const Method& x = *results_.find(c.method);
    const Method& r = *results_.find(c.reference);
    const auto curve_x = curve_of(x.fits.power, x.fits.offset, *c.model);
    const auto curve_r = curve_of(r.fits.power, r.fits.offset, *c.model);
    std::vector<std::string> inside, beyond, band;
    constexpr int steps = 80;
    const int last_inside = static_cast<int>(
        std::floor((c.range->high - c.range->low) / (c.range->extended - c.range->low) * steps));
    for (int i = 0; i <= steps; ++i) {
      const double at = c.range->low + (c.range->extended - c.range->low) * i / steps;
      const auto log = log_break_even(*curve_x, *curve_r, at);
      const double C = std::exp(at) / results_.compute_unit();
      const auto ci =
          break_even_interval(results_.bootstrap_of(x), results_.bootstrap_of(r), *c.model, at);
      if (ci) {
        cover(C, ci->low);
        cover(C, ci->high);
        band.push_back(fmt::format("{:.7g} {:.7g} {:.7g}", C, ci->low, ci->high));
      }
      if (!log) continue;
      const std::string row = fmt::format("{:.7g} {:.7g}", C, std::exp(*log));
      if (i <= last_inside) inside.push_back(row);
      if (i >= last_inside) beyond.push_back(row);
      cover(C, std::exp(*log));
    }
    plot(c, look, inside, beyond, band);
  }

  void plot(const Comparison& c, const Look& look, const std::vector<std::string>& inside,
            const std::vector<std::string>& beyond, const std::vector<std::string>& band) {
    if (!band.empty())
      bands_ += fmt::format(
          "{} using 1:2:3 with filledcurves fs transparent solid 0.5 fc rgb "
          "\"{}\" notitle, \\\n    ",
          figure_.data(band), look.tint);
    if (!inside.empty())
      lines_ += fmt::format(
          "{} with linespoints pi 10 pt {} lw 2.5 lc rgb \"{}\" title '{}', \\\n"
          "    ",
          figure_.data(inside), look.point, look.colour, gnuplot(display_name(c.method)));
    if (!beyond.empty())
      lines_ += fmt::format("{} with lines dt 2 lw 2 lc rgb \"{}\" notitle, \\\n    ",
                            figure_.data(beyond), look.colour);
    ++entries_;
    longest_label_ = std::max(longest_label_, visible_length(display_name(c.method)));
    std::vector<std::string> measured;
    for (const BreakEven& b : c.break_even)
      if (b.M_empirical)
        measured.push_back(
            fmt::format("{:.7g} {:.7g}", b.C / results_.compute_unit(), *b.M_empirical));
    if (!measured.empty())
      lines_ += fmt::format("{} with points pt 6 ps 1.6 lw 1.5 lc rgb \"{}\" notitle, \\\n    ",
                            figure_.data(measured), look.colour);
  }

  const Results& results_;
  static constexpr const char* measured_title = "of the measured frontiers";

  Figure figure_{"breakeven", 500};
  std::size_t entries_ = 0, longest_label_ = visible_length(measured_title);
  std::string bands_, lines_;
  double low_ = std::numeric_limits<double>::infinity(), high_ = 0;
  double low_C_ = low_, high_C_ = 0;
};

}  // namespace

Drawn draw_break_even(const Results& results, const std::filesystem::path& folder) {
  return BreakEvenFigure(results).draw(folder);
}

}  // namespace dfascale::fit
