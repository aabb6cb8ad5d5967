// Signs of the difference of two fitted curves, their confidence, and what the frontiers themselves
// say.
#include "analysis/compare.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/break_even.hpp"

namespace dfascale::fit {
namespace {

bool usable_power(const PowerFit& fit) {
  return fit.status == FitStatus::ok || fit.status == FitStatus::no_scaling;
}

/// May its fit (ii) stand for the method?
bool usable_offset(const OffsetFit& fit) {
  return fit.status == FitStatus::ok || fit.status == FitStatus::at_bound_zero;
}

/// ln L_X - ln L_R of two curves.
struct Difference {
  Curve x, r;
  double operator()(double at) const { return x.log_loss(at) - r.log_loss(at); }
};

/// Everything about the pair that several steps of the comparison need.
class Pair {
 public:
  Pair(const Candidate& x, const Candidate& r, const Options& options, Warnings& warnings)
      : x_(x), r_(r), options_(options), warnings_(warnings) {
    out_.method = x.method.name;
    out_.reference = r.method.name;
  }

  Comparison result() {
    if (!fits_exist() || !ranges_overlap()) return out_;
    choose_model();
    letters();
    confidence();
    if (out_.reasons.empty()) out_.outcome = std::string(1, *out_.point_letter);
    crossing();
    empirical();
    out_.break_even = break_even(x_, r_, *out_.range, *out_.model);
    return out_;
  }

 private:
  const FrontierFits& fits_x() const { return x_.method.fits; }
  const FrontierFits& fits_r() const { return r_.method.fits; }

  bool fits_exist() {
    if (!usable_power(fits_x().power) || !usable_power(fits_r().power)) {
      out_.reasons.push_back("no_fit");
      return false;
    }
    if (fits_x().frontier.has_flag("single_size") || fits_r().frontier.has_flag("single_size"))
      out_.reasons.push_back("single_size");
    return true;
  }

  bool ranges_overlap() {
    const auto points_x = fits_x().frontier.trimmed(), points_r = fits_r().frontier.trimmed();
    const double low = std::max(points_x.front().x, points_r.front().x);
    const double high = std::min(points_x.back().x, points_r.back().x);
    if (high <= low) {
      out_.reasons.push_back("no_overlap");
      return false;
    }
    if (high - low < options_.min_overlap) out_.reasons.push_back("insufficient_overlap");
    out_.range = Comparison::Range{low, high, high + options_.horizon * std::log(10.0)};
    return true;
  }

  void choose_model() {
    for (const Method* method : {&x_.method, &r_.method}) {
      const FrontierFits& fits = method->fits;
      if (fits.offset.status == FitStatus::ok &&
          fits.offset.rmse < options_.curved * fits.power.rmse)
        out_.curved.push_back(method->name);
    }
    const bool possible = usable_offset(fits_x().offset) && usable_offset(fits_r().offset);
    const bool wanted = options_.classify == Classify::offset ||
                        (options_.classify == Classify::automatic && !out_.curved.empty());
    if (options_.classify == Classify::offset && !possible)
      warnings_.push_back({"offset_unavailable", x_.method.name, "", {}});
    out_.model = wanted && possible ? Model::offset : Model::power;
  }

  std::optional<Difference> difference(Model model) const {
    const auto x = curve_of(fits_x().power, fits_x().offset, model);
    const auto r = curve_of(fits_r().power, fits_r().offset, model);
    if (!x || !r) return std::nullopt;
    return Difference{*x, *r};
  }

  std::optional<char> letter_of(Model model) const {
    const auto delta = difference(model);
    if (!delta) return std::nullopt;
    return letter((*delta)(out_.range->low), (*delta)(out_.range->extended));
  }

  void letters() {
    const Difference delta = *difference(*out_.model);
    const auto& [low, high, extended] = *out_.range;
    out_.delta = {delta(low), delta(high), delta(extended)};
    out_.point_letter = letter(out_.delta[0], out_.delta[2]);
    out_.observed_letter = letter(out_.delta[0], out_.delta[1]);
    out_.letter_power = letter_of(Model::power);
    if (usable_offset(fits_x().offset) && usable_offset(fits_r().offset))
      out_.letter_offset = letter_of(Model::offset);
    const double in_E = delta.x.E - delta.r.E, in_alpha = delta.x.alpha - delta.r.alpha;
    out_.asymptotic = letter(out_.delta[0], std::abs(in_E) > 1e-9 ? in_E : in_alpha);
    if (std::abs(out_.delta[0]) < options_.equiv && std::abs(out_.delta[2]) < options_.equiv)
      out_.reasons.push_back("equivalent");
  }

  void confidence() {
    const auto& xs = x_.bootstrap.replicates;
    const auto& rs = r_.bootstrap.replicates;
    if (xs.empty() || rs.empty()) return;
    std::map<char, double> shares = {{'A', 0}, {'B', 0}, {'C', 0}, {'D', 0}};
    for (std::size_t i = 0; i < std::min(xs.size(), rs.size()); ++i) {
      const auto x = curve_of(xs[i].power, xs[i].offset, *out_.model);
      const auto r = curve_of(rs[i].power, rs[i].offset, *out_.model);
      if (!x || !r) continue;
      const Difference delta{*x, *r};
      ++out_.replicates;
      shares[letter(delta(out_.range->low), delta(out_.range->extended))] += 1;
    }
    if (out_.replicates < std::max<std::int64_t>(20, (options_.bootstrap + 1) / 2))
      out_.reasons.push_back("bootstrap_failed");
    if (out_.replicates == 0) return;
    for (auto& [which, share] : shares) share /= static_cast<double>(out_.replicates);
    out_.shares = shares;
    out_.confidence = shares[*out_.point_letter];
    if (*out_.confidence < options_.confidence) out_.reasons.push_back("low_confidence");
  }

  void crossing() {
    const Difference delta = *difference(*out_.model);
    const auto& [low, high, extended] = *out_.range;
    constexpr int places = 401;
    Comparison::Crossing found;
    for (int i = 1; i < places; ++i) {
      const double step = (extended - low) / (places - 1);
      double a = low + (i - 1) * step, b = low + i * step;
      if ((delta(a) < 0) == (delta(b) < 0)) continue;
      if (++found.n > 1) continue;
      const bool negative = delta(a) < 0;
      for (int halving = 0; halving < 60; ++halving) {
        const double middle = (a + b) / 2;
        ((delta(middle) < 0) == negative ? a : b) = middle;
      }
      found.C = std::exp((a + b) / 2);
      found.where = (a + b) / 2 <= high ? "inside" : "extended";
    }
    out_.crossing = found;
  }

  void empirical() {
    const auto& [low, high, extended] = *out_.range;
    Comparison::Empirical found;
    double better = 0, sum = 0;
    for (auto k = static_cast<std::int64_t>(std::floor(low / options_.bin)) - 1;
         grid_centre(k, options_.bin) <= high + 1e-9; ++k) {
      const double at = grid_centre(k, options_.bin);
      if (at < low - 1e-9) continue;
      const auto x = interpolate(fits_x().frontier.trimmed(), std::clamp(at, low, high));
      const auto r = interpolate(fits_r().frontier.trimmed(), std::clamp(at, low, high));
      if (!x || !r) continue;
      ++found.n;
      better += *x < *r;
      sum += *x - *r;
    }
    if (found.n > 0) {
      found.fraction_better = better / static_cast<double>(found.n);
      found.mean_delta = sum / static_cast<double>(found.n);
    }
    out_.empirical = found;
  }

  const Candidate& x_;
  const Candidate& r_;
  const Options& options_;
  Warnings& warnings_;
  Comparison out_;
};

}  // namespace

std::string word(Model model) { return model == Model::power ? "power" : "offset"; }

std::optional<Curve> curve_of(const PowerFit& power, const OffsetFit& offset, Model model) {
  if (model == Model::power) return power.has_curve() ? std::optional(power.curve) : std::nullopt;
  return offset.has_curve() ? std::optional(offset.curve) : std::nullopt;
}

char letter(double delta_low, double delta_high) {
  if (delta_low < 0) return delta_high < 0 ? 'A' : 'C';
  return delta_high < 0 ? 'B' : 'D';
}

std::optional<double> interpolate(std::span<const FrontierPoint> points, double x) {
  if (points.empty() || x < points.front().x || x > points.back().x) return std::nullopt;
  const auto above = std::lower_bound(points.begin(), points.end(), x,
                                      [](const FrontierPoint& p, double at) { return p.x < at; });
  if (above == points.begin()) return above->y;
  const auto below = above - 1;
  return below->y + (above->y - below->y) * (x - below->x) / (above->x - below->x);
}

std::optional<double> interpolate_compute(std::span<const FrontierPoint> points, double y) {
  if (points.empty() || y > points.front().y || y < points.back().y) return std::nullopt;
  const auto after = std::lower_bound(points.begin(), points.end(), y,
                                      [](const FrontierPoint& p, double at) { return p.y > at; });
  if (after == points.begin()) return after->x;
  const auto before = after - 1;
  return before->x + (after->x - before->x) * (y - before->y) / (after->y - before->y);
}

Comparison compare(const Candidate& x, const Candidate& reference, const Options& options,
                   Warnings& warnings) {
  return Pair(x, reference, options, warnings).result();
}

}  // namespace dfascale::fit
