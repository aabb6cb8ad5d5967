// Final loss against learning rate, from run folders: a panel for each method, a line for each
// size, a ring around the best.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "analysis/csv.hpp"
#include "analysis/escape.hpp"
#include "analysis/figures.hpp"
#include "analysis/gnuplot.hpp"
#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

namespace fs = std::filesystem;

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

/// Learning rate -> least final loss.
using Losses = std::map<double, double>;
/// Method -> N -> losses; only where there are three rates or more.
using Sweeps = std::map<std::string, std::map<double, Losses>>;

Sweeps sweeps_of(const Results& results) {
  Sweeps sweeps;
  if (results.options.run_folders.empty()) return sweeps;
  Options options = results.options;
  options.csv_files.clear();
  for (const InputRun& run : read_inputs(options)) {
    const auto rate = peak_learning_rate(run.folder);
    const auto loss = final_loss(run);
    if (!rate || !loss) continue;
    const auto [entry, is_new] = sweeps[run.method][run.params].try_emplace(*rate, *loss);
    entry->second = std::min(entry->second, *loss);
  }
  for (auto& [method, sizes] : sweeps)
    std::erase_if(sizes, [](const auto& sweep) { return sweep.second.size() < 3; });
  std::erase_if(sweeps, [](const auto& sweep) { return sweep.second.empty(); });
  return sweeps;
}

/// Builds the figure panel by panel.
class LearningRateFigure {
 public:
  LearningRateFigure(const Results& results, const Sweeps& sweeps)
      : results_(results),
        sweeps_(sweeps),
        columns_(sweeps.size() > 1 ? 2 : 1),
        rows_(static_cast<int>(sweeps.size() + 1) / columns_),
        figure_("learning_rate", 40 + 330 * rows_) {
    std::set<double> sizes;
    for (const auto& [method, by_size] : sweeps)
      for (const auto& [N, losses] : by_size) {
        sizes.insert(N);
        low_ = std::min(low_, losses.begin()->first);
        high_ = std::max(high_, losses.rbegin()->first);
      }
    sizes_.assign(sizes.begin(), sizes.end());
  }

  Drawn draw(const fs::path& folder) {
    const TopKey key(sizes_.size() + 1, visible_length("N = 270 k"));
    figure_.grow(key.height);
    const int height = figure_.height();
    std::string panels;
    for (const Method* method : ordered_methods(results_))
      if (sweeps_.contains(method->name)) panels += panel(method->name, panels.empty());
    figure_.draw(axes_style());
    figure_.draw(fmt::format(
        "  set multiplot layout {},{} margins 0.115,0.97,{:.3f},{:.3f} spacing 0.12,{:.3f}\n"
        "  set logscale x\n  set format x \"10^{{%T}}\"\n"
        "  set xlabel \"largest learning rate of the schedule\" offset 0,0.4\n"
        "  set ylabel \"final {} loss [nat/token]\" offset 1,0\n"
        "{}  set xrange [{:.6g}:{:.6g}]\n{}  unset multiplot\n",
        rows_, columns_, 64.0 / height, key.end(height, 34), 100.0 / height,
        results_.options.loss == Loss::train ? "training" : "validation", key.place(height),
        low_ / 1.4, high_ * 1.4, panels));
    return figure_.render(folder) ? Drawn::yes : Drawn::no_gnuplot;
  }

 private:
  Look look_of(double N) const {
    const auto at = std::lower_bound(sizes_.begin(), sizes_.end(), N);
    return look(static_cast<std::size_t>(at - sizes_.begin()));
  }

  /// The key names every size once, in the first panel.
  std::string key() const {
    std::string text;
    for (const double N : sizes_)
      text += fmt::format(
          "keyentry with linespoints lw 2 pt {} dt {} lc rgb \"{}\" title 'N = {}', \\\n    ",
          look_of(N).point, look_of(N).dash, look_of(N).colour, short_count(N));
    return text + "keyentry with points pt 6 ps 1.8 lc rgb \"#222222\" title 'best', \\\n    ";
  }

  std::string line(double N, const Losses& losses) {
    std::vector<std::string> rows;
    rows.reserve(losses.size());
    for (const auto& [rate, loss] : losses)
      rows.push_back(fmt::format("{:.7g} {:.7g}", rate, loss));
    const auto best =
        std::min_element(losses.begin(), losses.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    const Look style = look_of(N);
    return fmt::format(
        "{} with linespoints lw 2 pt {} dt {} lc rgb \"{}\" notitle, \\\n    "
        "{} with points pt 6 ps 1.8 lc rgb \"#222222\" notitle, \\\n    ",
        figure_.data(rows), style.point, style.dash, style.colour,
        figure_.data({fmt::format("{:.7g} {:.7g}", best->first, best->second)}));
  }

  std::string panel(const std::string& method, bool is_first) {
    std::string plots = is_first ? key() : "";
    for (const auto& [N, losses] : sweeps_.at(method)) plots += line(N, losses);
    return fmt::format("  set title '{}' offset 0,-0.6\n  plot {}\n  unset key\n",
                       gnuplot(display_name(method)), plots.substr(0, plots.rfind(',')));
  }

  const Results& results_;
  const Sweeps& sweeps_;
  int columns_, rows_;
  Figure figure_;
  std::vector<double> sizes_;
  double low_ = std::numeric_limits<double>::infinity(), high_ = 0;
};

}  // namespace

Drawn draw_learning_rates(const Results& results, const fs::path& folder) {
  const Sweeps sweeps = sweeps_of(results);
  if (sweeps.empty()) {
    remove_figure(folder, "learning_rate");
    return Drawn::nothing_to_show;
  }
  return LearningRateFigure(results, sweeps).draw(folder);
}

}  // namespace dfascale::fit
