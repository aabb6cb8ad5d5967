// The report: inputs and warnings, the fits of each method, the comparisons.
#include "analysis/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

/// C (FLOP or device-seconds) with its unit: PF-days or device-seconds.
std::string compute_text(const Results& results, double C) {
  return fmt::format("{} {}", pretty(C / results.compute_unit(), 2), compute_unit_name(results));
}

std::string meaning(char letter, const std::string& x, const std::string& r) {
  switch (letter) {
    case 'A': return fmt::format("{} is better at every compute", x);
    case 'B': return fmt::format("{} is better at scale", x);
    case 'C': return fmt::format("{} is better at scale", r);
    default: return fmt::format("{} is better at every compute", r);
  }
}

std::string explain(const std::string& reason) {
  if (reason == "no_fit") return "no_fit (one of the two has no power fit)";
  if (reason == "single_size") return "single_size (one of the two has a single model size)";
  if (reason == "no_overlap") return "no_overlap (the frontiers share no range of compute)";
  if (reason == "insufficient_overlap")
    return "insufficient_overlap (the frontiers share too short a range of compute)";
  if (reason == "equivalent") return "equivalent (the difference is too small to matter)";
  if (reason == "low_confidence") return "low_confidence (too few replicates agree)";
  if (reason == "bootstrap_failed") return "bootstrap_failed (too few usable replicates)";
  return reason;
}

std::string with_interval(const BreakEven& b) {
  if (!b.M_ci) return pretty(b.M, 3);
  return fmt::format("{} ({}–{})", pretty(b.M, 3), pretty(b.M_ci->low, 3), pretty(b.M_ci->high, 3));
}

/// The largest C at which the frontiers themselves give M, else the smallest C.
const BreakEven& telling_break_even(const Comparison& c) {
  const auto measured = std::find_if(c.break_even.rbegin(), c.break_even.rend(),
                                     [](const BreakEven& b) { return b.M_empirical.has_value(); });
  return measured == c.break_even.rend() ? c.break_even.front() : *measured;
}

/// Warnings summed over the runs of a method; fit.json has each of them.
std::string warnings_table(const Warnings& warnings) {
  if (warnings.empty()) return "No warnings.\n\n";
  struct Sum {
    std::int64_t runs = 0, rows = 0;
    std::string first_run;
  };
  std::map<std::pair<std::string, std::string>, Sum> sums;
  for (const Warning& w : warnings) {
    Sum& sum = sums[{w.code, w.method}];
    if (sum.runs++ == 0) sum.first_run = w.run;
    sum.rows += w.count.value_or(0);
  }
  std::string text = "| Warning | Method | Runs | First run | Rows |\n|---|---|---|---|---|\n";
  for (const auto& [key, sum] : sums)
    text += fmt::format("| {} | {} | {} | {} | {} |\n", key.first, markdown(key.second),
                        sum.first_run.empty() ? "" : std::to_string(sum.runs),
                        markdown(sum.first_run), sum.rows > 0 ? std::to_string(sum.rows) : "");
  return text + "\n";
}

std::string inputs_section(const Results& results) {
  const Options& o = results.options;
  std::string text = "## Inputs\n\n";
  for (const std::string& path : o.run_folders)
    text += fmt::format("- run folders: {}\n", markdown_code(path));
  for (const std::string& path : o.csv_files)
    text += fmt::format("- long CSV: {}\n", markdown_code(path));
  text += fmt::format("- accounting: {}\n- loss: {}\n- bootstrap: {} replicates, seed {}\n\n",
                      accounting_sentence(o, markdown),
                      o.loss == Loss::train ? "training" : "validation", o.bootstrap, o.seed);
  return text + warnings_table(results.warnings);
}

std::string power_line(const Results& results, const Method& method) {
  const PowerFit& fit = method.fits.power;
  if (!fit.has_curve())
    return fmt::format("- power law: {} ({} points)\n", word(fit.status), fit.n);
  const auto log_C_c = log10_C_c(fit.curve, results.compute_unit());
  return fmt::format("- power law L = (C/C_c)^α, {}: α = {}, C_c = {} {}, rmse of ln L {}, R² {}\n",
                     word(fit.status),
                     fixed_with(fit.curve.alpha, alpha_interval(results.bootstrap_of(method)), 4),
                     log_C_c ? power_of_ten(*log_C_c) : "–", compute_unit_name(results),
                     pretty(fit.rmse, 2), fixed(fit.r2, 4));
}

std::string offset_line(const Method& method) {
  const OffsetFit& fit = method.fits.offset;
  if (!fit.has_curve()) return fmt::format("- with irreducible loss: {}\n", word(fit.status));
  return fmt::format("- with irreducible loss L = E + (C/C_c)^α, {}: E = {} nat, α = {}, rmse {}\n",
                     word(fit.status), fixed(fit.curve.E, 3), fixed(fit.curve.alpha, 4),
                     pretty(fit.rmse, 2));
}

std::string surface_line(const Method& method) {
  const SurfaceFit& fit = method.surface;
  if (!fit.has_law()) return fmt::format("- surface: {}\n", word(fit.status));
  return fmt::format(
      "- surface L = E + A/N^a + B/D^b, {}: E = {}, A = {}, B = {}, a = {}, b = {}\n",
      word(fit.status), fixed(fit.law.E, 3), pretty(std::exp(fit.law.log_A), 4),
      pretty(std::exp(fit.law.log_B), 4), fixed(fit.law.a, 4), fixed(fit.law.b, 4));
}

std::string method_section(const Results& results, const Method& method) {
  const Frontier& f = method.fits.frontier;
  const auto points = f.trimmed();
  std::string text =
      fmt::format("### {}\n\n- {} runs, {} sizes, {} rows after cleaning{}\n",
                  markdown(display_name(method.name)), method.runs.size(), method.sizes().size(),
                  method.rows, f.flags.empty() ? "" : "; flags: " + joined(f.flags));
  if (!points.empty())
    text += fmt::format("- frontier: {} points of {} after trimming, {} to {}, loss {} to {}\n",
                        points.size(), f.points.size(),
                        compute_text(results, std::exp(points.front().x)),
                        compute_text(results, std::exp(points.back().x)),
                        fixed(std::exp(points.front().y), 3), fixed(std::exp(points.back().y), 3));
  return text + power_line(results, method) + offset_line(method) + surface_line(method) + "\n";
}

std::string break_even_table(const Results& results, const Comparison& c) {
  std::string text = fmt::format(
      "\n| C of {} | M | M, power law | M, with E | M, frontiers | Note "
      "|\n|---|---|---|---|---|---|\n",
      markdown(display_name(c.reference)));
  for (const BreakEven& b : c.break_even)
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", compute_text(results, b.C),
                        with_interval(b), pretty(b.M_power), pretty(b.M_offset),
                        pretty(b.M_empirical), joined(b.note));
  return text;
}

std::string crossing_line(const Results& results, const Comparison& c) {
  if (!c.crossing || !c.crossing->C)
    return "- the fitted curves do not cross in the range looked at\n";
  return fmt::format("- the fitted curves cross at {} ({})\n",
                     compute_text(results, *c.crossing->C),
                     c.crossing->where == "inside" ? "within the data" : "beyond the data");
}

std::string comparison_section(const Results& results, const Comparison& c) {
  const std::string x = markdown(display_name(c.method)), r = markdown(display_name(c.reference));
  std::string text = fmt::format("### {} against {}\n\n{}\n\n- outcome: **{}**", x, r,
                                 plain_sentence(results, c, markdown), c.outcome);
  if (c.confidence) text += fmt::format(", confidence {:.2f}", *c.confidence);
  for (std::size_t i = 0; i < c.reasons.size(); ++i)
    text += (i == 0 ? "; because: " : ", ") + explain(c.reasons[i]);
  text += "\n";
  if (!c.evaluated()) return text + "\n";
  text += fmt::format(
      "- curve used: {}; letter by power laws {}, with irreducible loss {}, "
      "within the data alone {}, asymptotically {}\n",
      word(*c.model), c.letter_power.value_or('-'), c.letter_offset.value_or('-'),
      c.observed_letter.value_or('-'), c.asymptotic.value_or('-'));
  if (*c.model == Model::offset && c.letter_power != c.point_letter)
    text += fmt::format(
        "- **the straight power laws say {}, the curves that fit say {}**: at "
        "least one frontier is curved ({}), and lines through curved frontiers "
        "cross where the curves do not\n",
        *c.letter_power, *c.point_letter, joined(c.curved, markdown));
  text +=
      fmt::format("- difference of ln L ({} − {}): {} at {}, {} at {}, {} at {} (extrapolated)\n",
                  x, r, fixed(c.delta[0], 4), compute_text(results, std::exp(c.range->low)),
                  fixed(c.delta[1], 4), compute_text(results, std::exp(c.range->high)),
                  fixed(c.delta[2], 4), compute_text(results, std::exp(c.range->extended)));
  text += crossing_line(results, c);
  return text + break_even_table(results, c) + "\n";
}

}  // namespace

std::string plain_sentence(const Results& results, const Comparison& c, Escape escape) {
  const std::string x = escape(display_name(c.method)), r = escape(display_name(c.reference));
  if (!c.evaluated())
    return fmt::format("{} cannot be compared with {}: {}.", x, r, explain(c.reasons.front()));
  const BreakEven& telling = telling_break_even(c);
  std::string text = telling.M
                         ? fmt::format("{} needs {} times {}'s compute at {}; ", x,
                                       with_interval(telling), r, compute_text(results, telling.C))
                         : fmt::format("{} does not reach the loss that {} has at {}; ", x, r,
                                       compute_text(results, telling.C));
  if (c.outcome == "indeterminate")
    text += fmt::format("outcome indeterminate ({})", joined(c.reasons));
  else text += fmt::format("outcome {}: {}", c.outcome, meaning(*c.point_letter, x, r));
  if (c.confidence) text += fmt::format(", confidence {:.2f}", *c.confidence);
  return text +
         fmt::format(", extrapolated to {}.", compute_text(results, std::exp(c.range->extended)));
}

std::string report_md(const Results& results) {
  std::string text = "# Scaling of the loss with compute\n\n" + inputs_section(results);
  text += "## Methods\n\n";
  for (const Method* method : ordered_methods(results)) text += method_section(results, *method);
  text +=
      fmt::format("## Comparisons with {}\n\n", markdown(display_name(results.options.reference)));
  if (results.comparisons.empty()) text += "None: the reference or another method is missing.\n";
  for (const Comparison& c : results.comparisons) text += comparison_section(results, c);
  return text;
}

}  // namespace dfascale::fit
