// Candidates, Pareto front, and the two trims (coverage by sizes, edges with one owner).
#include "analysis/frontier.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace dfascale::fit {
namespace {

constexpr double same_loss = 1e-9;  ///< differences of ln L below this are ties
constexpr double same_x = 1e-9;

/// Order of candidates at equal x: lower loss, then smaller model, then run name.
bool goes_before(const FrontierPoint& a, const FrontierPoint& b) {
  if (a.y != b.y) return a.y < b.y;
  if (a.owner->params != b.owner->params) return a.owner->params < b.owner->params;
  return a.owner->name < b.owner->name;
}

/// The best candidate at each grid centre, and every bin of the point runs.  Others at the same
/// centre can never be kept, so they are not stored.
std::vector<FrontierPoint> candidates(std::span<const RunView> runs, double bin) {
  std::int64_t low = INT64_MAX, high = INT64_MIN;
  for (const RunView& view : runs) {
    if (!view.run->is_curve()) continue;
    low = std::min(low, view.run->grid.front());
    high = std::max(high, view.run->grid.back());
  }
  std::vector<FrontierPoint> best(low > high ? 0 : static_cast<std::size_t>(high - low + 1),
                                  FrontierPoint{{0, 0}, nullptr});
  std::vector<FrontierPoint> found;
  for (const auto& [run, y] : runs) {
    for (std::size_t i = 0; i < run->grid.size(); ++i) {
      const std::int64_t k = run->grid[i];
      const FrontierPoint point{{grid_centre(k, bin), run->at_grid.value(i, y)}, run};
      FrontierPoint& standing = best[static_cast<std::size_t>(k - low)];
      if (!standing.owner || goes_before(point, standing)) standing = point;
    }
    if (run->is_curve()) continue;
    for (std::size_t j = 0; j < y.size(); ++j) found.push_back({{run->bins[j].x, y[j]}, run});
  }
  for (const FrontierPoint& point : best)
    if (point.owner) found.push_back(point);
  std::sort(found.begin(), found.end(), [](const FrontierPoint& a, const FrontierPoint& b) {
    return a.x != b.x ? a.x < b.x : goes_before(a, b);
  });
  return found;
}

std::vector<FrontierPoint> pareto(const std::vector<FrontierPoint>& sorted) {
  std::vector<FrontierPoint> kept;
  for (const FrontierPoint& point : sorted)
    if (kept.empty() || point.y < kept.back().y - same_loss) kept.push_back(point);
  return kept;
}

/// For each size the intervals of x that its curve runs cover.
class Coverage {
 public:
  Coverage(std::span<const RunView> runs, double bin) {
    for (const RunView& view : runs)
      if (view.run->is_curve())
        intervals_[view.run->params].emplace(grid_centre(view.run->grid.front(), bin),
                                             grid_centre(view.run->grid.back(), bin));
  }
  /// True where at least two sizes have a run.
  bool enough_at(double x) const {
    int sizes = 0;
    for (const auto& [size, spans] : intervals_)
      sizes += std::any_of(spans.begin(), spans.end(), [x](const auto& span) {
        return span.first - same_x <= x && x <= span.second + same_x;
      });
    return sizes >= 2;
  }

 private:
  std::map<double, std::set<std::pair<double, double>>> intervals_;
};

void trim_coverage(Frontier& f, std::span<const RunView> runs, double bin) {
  const Coverage coverage(runs, bin);
  while (f.first < f.last && !coverage.enough_at(f.points[f.first].x)) {
    ++f.first;
    ++f.trim.coverage_low;
  }
  while (f.first < f.last && !coverage.enough_at(f.points[f.last - 1].x)) {
    --f.last;
    ++f.trim.coverage_high;
  }
}

/// Where the smallest (largest) size is alone on the frontier, the frontier is not the envelope.
void trim_edges(Frontier& f, double edge_keep) {
  const auto points = f.trimmed();
  if (points.empty()) return;
  const auto size = [](const FrontierPoint& p) { return p.owner->params; };
  const auto differs_from = [&](double owner) {
    return [&size, owner](const FrontierPoint& p) { return size(p) != owner; };
  };
  const auto i = std::find_if(points.begin(), points.end(), differs_from(size(points.front())));
  if (i == points.end()) {
    f.flags.push_back("single_owner");
    return;
  }
  const auto j = std::find_if(points.rbegin(), points.rend(), differs_from(size(points.back())));
  const double low = i->x - edge_keep - same_x, high = j->x + edge_keep + same_x;
  while (f.points[f.first].x < low) {
    ++f.first;
    ++f.trim.edge_low;
  }
  while (f.points[f.last - 1].x > high) {
    --f.last;
    ++f.trim.edge_high;
  }
}

}  // namespace

bool Frontier::has_flag(std::string_view flag) const {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

Frontier find_frontier(std::span<const RunView> runs, const FrontierOptions& options) {
  Frontier f;
  f.points = pareto(candidates(runs, options.bin));
  f.last = f.points.size();
  const bool curves = std::any_of(runs.begin(), runs.end(),
                                  [](const RunView& view) { return view.run->is_curve(); });
  const bool one_size = std::all_of(runs.begin(), runs.end(), [&](const RunView& view) {
    return view.run->params == runs.front().run->params;
  });
  f.mode = curves ? Mode::curve : Mode::point;
  if (!curves) f.flags.push_back("point_mode");
  if (one_size) f.flags.push_back("single_size");
  if (!curves || one_size) return f;
  trim_coverage(f, runs, options.bin);
  trim_edges(f, options.edge_keep);
  return f;
}

std::vector<Point> fit_points(const Frontier& frontier) {
  const auto trimmed = frontier.trimmed();
  return {trimmed.begin(), trimmed.end()};
}

}  // namespace dfascale::fit
