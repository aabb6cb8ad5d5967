// Figure 1: the four ways in which a method's frontier can lie against the reference's.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/escape.hpp"
#include "analysis/figures.hpp"
#include "analysis/gnuplot.hpp"
#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

/// A scenario in a unit square of (ln C, ln L): the method's line; the reference's is fixed.
struct Scenario {
  char letter;
  const char* title;
  double left, right;  ///< height of the method's line at both ends
};
constexpr double reference_left = 0.72, reference_right = 0.36;
constexpr std::array<Scenario, 4> scenarios = {
    {{'A', "A: the method is always better", 0.52, 0.14},
     {'B', "B: the method is better at scale", 0.90, 0.16},
     {'C', "C: the reference is better at scale", 0.56, 0.50},
     {'D', "D: the reference is always better", 0.92, 0.60}}};

/// Look of a line that stands for several methods, or for none.
constexpr Look several = {"#333333", "#cccccc", 2, 1};

/// Comparisons with this outcome, or (for an indeterminate one) none.
std::vector<const Comparison*> found(const Results& results, char letter) {
  std::vector<const Comparison*> list;
  for (const Comparison& c : results.comparisons)
    if (c.outcome == std::string(1, letter)) list.push_back(&c);
  return list;
}

/// Rows of x, method, reference along the panel, split at the crossing by their sign.
std::vector<std::string> rows_of(const Scenario& s) {
  std::vector<std::string> rows;
  constexpr int steps = 100;
  for (int i = 0; i <= steps; ++i) {
    const double x = static_cast<double>(i) / steps;
    rows.push_back(fmt::format("{:.3f} {:.5f} {:.5f}", x, s.left + (s.right - s.left) * x,
                               reference_left + (reference_right - reference_left) * x));
  }
  return rows;
}

std::string labels(const std::vector<const Comparison*>& ours) {
  constexpr std::size_t most = 4;  // lines that fit above the curves
  const bool too_many = ours.size() > most;
  const std::size_t named = too_many ? most - 1 : ours.size();
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < named; ++i)
    lines.push_back(
        gnuplot(display_name(ours[i]->method)) +
        (ours[i]->confidence ? fmt::format(" (confidence {:.2f})", *ours[i]->confidence) : ""));
  if (too_many) lines.push_back(fmt::format("and {} more", ours.size() - named));
  std::string text;
  double height = 1.4;
  for (const std::string& line : lines) {
    text += fmt::format("  set label '{}' at 0.98,{:.2f} right font \",12\"\n", line, height);
    height -= 0.13;
  }
  return text;
}

/// The method of a panel for its key; several are named above the lines.
std::string names(const std::vector<const Comparison*>& ours) {
  if (ours.size() == 1) return gnuplot(display_name(ours.front()->method));
  return ours.empty() ? "method" : "methods";
}

/// One panel: shaded between the lines in the better one's colour where it is our outcome.
std::string panel(const Results& results, const Scenario& s, const std::string& data) {
  const auto ours = found(results, s.letter);
  const Look reference = look(0);
  const Look method = ours.size() == 1 ? look(place_of(results, ours.front()->method)) : several;
  std::string text =
      fmt::format("  unset label\n  set title \"{}\" offset 0,-0.6 {}\n{}", s.title,
                  ours.empty() ? "tc rgb \"#777777\"" : "tc rgb \"#000000\"", labels(ours));
  text += "  plot ";
  if (!ours.empty())
    text += fmt::format(
        "{0} using 1:2:3 with filledcurves above fc rgb \"{1}\" notitle, \\\n"
        "    {0} using 1:2:3 with filledcurves below fc rgb \"{2}\" notitle, \\\n    ",
        data, reference.tint, method.tint);
  text += fmt::format(
      "{0} using 1:3 with lines lw 2.5 dt {1} lc rgb \"{2}\" title '{3}', \\\n"
      "    {0} using 1:2 with lines lw 2.5 dt {4} lc rgb \"{5}\" title '{6}'\n",
      data, reference.dash, ours.empty() ? reference.tint : reference.colour,
      gnuplot(display_name(results.options.reference)), method.dash,
      ours.empty() ? "#999999" : method.colour, names(ours));
  return text;
}

std::string caption(const Results& results) {
  std::vector<std::string> open;
  for (const Comparison& c : results.comparisons)
    if (c.outcome == "indeterminate") open.push_back(gnuplot(display_name(c.method)));
  if (results.comparisons.empty()) return "no comparison";
  if (open.empty()) return "shaded: what these data say, in the colour of the better method";
  constexpr std::size_t most = 3;
  const std::size_t more = open.size() > most ? open.size() - most : 0;
  open.resize(open.size() - more);
  return fmt::format("shaded: what these data say; indeterminate: {}{}", joined(open),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace

Drawn draw_outcomes(const Results& results, const std::filesystem::path& folder) {
  Figure figure("fig1_outcomes", 680);
  std::string commands = fmt::format(
      "  set multiplot layout 2,2 title '{}' font \",14\" margins 0.06,0.98,0.08,0.86 "
      "spacing 0.07,0.15\n"
      "  unset tics\n  set border 3 lc rgb \"#444444\"\n  set xrange [0:1]\n  set yrange [0:1.5]\n"
      "  set key bottom left Left reverse samplen 3.5\n"
      "  set xlabel \"ln compute\" offset 0,0.6\n  set ylabel \"ln loss\" offset 1,0\n",
      caption(results));
  for (const Scenario& s : scenarios) commands += panel(results, s, figure.data(rows_of(s)));
  commands += "  unset multiplot\n";
  figure.draw(commands);
  return figure.render(folder) ? Drawn::yes : Drawn::no_gnuplot;
}

}  // namespace dfascale::fit
