// Figure 3: loss against compute.
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

/// Builds the plot command and the ranges as curves are added.
class FrontierFigure {
 public:
  explicit FrontierFigure(const Results& results) : results_(results) {}

  Drawn draw(const std::filesystem::path& folder) {
    const auto methods = ordered_methods(results_);
    for (std::size_t i = 0; i < methods.size(); ++i) add_runs(*methods[i], look(i));
    for (std::size_t i = 0; i < methods.size(); ++i) add_fits(*methods[i], look(i));
    for (std::size_t i = 0; i < methods.size(); ++i) add_frontier(*methods[i], look(i));
    bool any_offset = false;
    for (std::size_t i = 0; i < methods.size(); ++i) any_offset |= add_offset(*methods[i], look(i));
    if (!(high_y_ > 0)) return Drawn::nothing_to_show;
    plot("keyentry with lines lw 1.4 dt 2 lc rgb \"#666666\" title 'power law, extrapolated'");
    if (any_offset)
      plot("keyentry with lines lw 1.4 lc rgb \"#666666\" title 'with irreducible loss'");
    plot("keyentry with lines lw 0.8 lc rgb \"#999999\" title 'single runs'");
    const TopKey key(methods.size() + (any_offset ? 3 : 2), longest_label_,
                     longest_text_ - longest_label_);
    figure_.grow(key.height);
    const double pad = std::max(1.01, std::pow(high_y_ / low_y_, 0.03));
    const double unit = results_.compute_unit();
    figure_.draw(axes_style());
    figure_.draw(
        fmt::format("  set logscale xy\n  set format x \"10^{{%T}}\"\n"
                    "  set xlabel \"compute C [{}]\"\n  set ylabel \"{} loss [nat/token]\"\n"
                    "{}  set xrange [{:.6g}:{:.6g}]\n  set yrange [{:.6g}:{:.6g}]\n{}  plot {}\n",
                    compute_unit_name(results_),
                    results_.options.loss == Loss::train ? "training" : "validation",
                    key.commands(figure_.height()), std::exp(low_x_ - 0.3) / unit,
                    std::exp(high_x_ + 0.3) / unit, low_y_ / pad, high_y_ * pad,
                    tick_command('y', log_ticks(low_y_ / pad, high_y_ * pad)), plots_));
    return figure_.render(folder) ? Drawn::yes : Drawn::no_gnuplot;
  }

 private:
  std::string row(double x, double y) const {
    return fmt::format("{:.7g} {:.7g}", std::exp(x) / results_.compute_unit(), std::exp(y));
  }
  void plot(const std::string& text) { plots_ += (plots_.empty() ? "" : ", \\\n    ") + text; }
  /// Frontiers and fits set the range of the picture, not the steep first part of the runs.
  void cover(double x, double y) {
    low_x_ = std::min(low_x_, x);
    high_x_ = std::max(high_x_, x);
    low_y_ = std::min(low_y_, std::exp(y));
    high_y_ = std::max(high_y_, std::exp(y));
  }

  void add_runs(const Method& method, const Look& look) {
    std::vector<std::string> lines, dots;
    for (const BinnedRun& run : method.runs) {
      const std::vector<double> y = run.y();
      for (std::size_t i = 0; i < run.grid.size(); ++i)
        lines.push_back(
            row(grid_centre(run.grid[i], results_.options.bin), run.at_grid.value(i, y)));
      if (run.is_curve()) {
        lines.push_back("");
        continue;
      }
      for (const Bin& bin : run.bins) dots.push_back(row(bin.x, bin.y));
    }
    if (!lines.empty())
      plot(fmt::format("{} with lines lw 0.8 lc rgb \"{}\" notitle", figure_.data(lines),
                       look.tint));
    if (!dots.empty())
      plot(fmt::format("{} with points pt {} ps 0.4 lc rgb \"{}\" notitle", figure_.data(dots),
                       look.point, look.tint));
  }

  void add_frontier(const Method& method, const Look& look) {
    const auto points = method.fits.frontier.trimmed();
    if (points.empty()) return;
    std::vector<std::string> rows;
    for (const FrontierPoint& p : points) {
      rows.push_back(row(p.x, p.y));
      cover(p.x, p.y);
    }
    const bool joined = method.fits.frontier.mode == Mode::curve;
    plot(fmt::format("{} with {} lw 2.5 lc rgb \"{}\" pt {} ps 0.9 pi {} title '{}'",
                     figure_.data(rows), joined ? "linespoints" : "points", look.colour, look.point,
                     joined ? std::max<std::size_t>(1, points.size() / 8) : 1, label(method)));
  }

  /// The method with the law that its outcome rests on; the name alone where there are many.
  std::string label(const Method& method) {
    constexpr std::size_t most_with_laws = 8;
    const std::string name = display_name(method.name);
    std::string before, exponent;
    const Curve& curve =
        offset_is_used(method) ? method.fits.offset.curve : method.fits.power.curve;
    const auto log_C_c = log10_C_c(curve, results_.compute_unit());
    if (method.fits.power.has_curve() && log_C_c && results_.methods.size() <= most_with_laws) {
      before = fmt::format(": {}(C / {})", curve.E > 0 ? fixed(curve.E, 2) + " + " : "",
                           power_of_ten(*log_C_c));
      exponent = fixed(curve.alpha, 3);
    }
    const std::string text =
        gnuplot(name) + before + (exponent.empty() ? "" : "^{" + exponent + "}");
    longest_label_ = std::max(longest_label_, visible_length(name + before + exponent));
    longest_text_ = std::max(longest_text_, text.size());
    return text;
  }

  bool offset_is_used(const Method& method) const {
    return std::any_of(results_.comparisons.begin(), results_.comparisons.end(),
                       [&](const Comparison& c) {
                         return c.model == Model::offset &&
                                (c.method == method.name || c.reference == method.name);
                       });
  }

  void add_fits(const Method& method, const Look& look) {
    const auto points = method.fits.frontier.trimmed();
    const PowerFit& power = method.fits.power;
    if (points.empty() || !power.has_curve()) return;
    const double first = points.front().x;
    const double last = points.back().x + results_.options.horizon * std::log(10.0);
    add_curve(power.curve, first, last, look.colour, look.dash == 1 ? 2 : look.dash);
  }

  /// The curve with irreducible loss, where an outcome rests on it.
  bool add_offset(const Method& method, const Look& look) {
    if (!offset_is_used(method)) return false;
    const auto points = method.fits.frontier.trimmed();
    const double last = points.back().x + results_.options.horizon * std::log(10.0);
    add_curve(method.fits.offset.curve, points.front().x, last, look.colour, 1);
    return true;
  }

  void add_curve(const Curve& curve, double first, double last, const char* colour, int dash) {
    std::vector<std::string> rows;
    constexpr int steps = 60;
    for (int i = 0; i <= steps; ++i) {
      const double x = first + (last - first) * i / steps;
      rows.push_back(row(x, curve.log_loss(x)));
    }
    cover(last, curve.log_loss(last));
    plot(fmt::format("{} with lines lw 1.4 dt {} lc rgb \"{}\" notitle", figure_.data(rows), dash,
                     colour));
  }

  const Results& results_;
  Figure figure_{"fig3_frontier", 530};
  std::string plots_;
  std::size_t longest_label_ = visible_length("power law, extrapolated");
  std::size_t longest_text_ = longest_label_;
  double low_x_ = std::numeric_limits<double>::infinity(), high_x_ = -low_x_;
  double low_y_ = low_x_, high_y_ = 0;
};

}  // namespace

Drawn draw_frontier(const Results& results, const std::filesystem::path& folder) {
  return FrontierFigure(results).draw(folder);
}

}  // namespace dfascale::fit
