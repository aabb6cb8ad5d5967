// The whole analysis in its order.
#include "analysis/results.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "analysis/intervals.hpp"

namespace dfascale::fit {
namespace {

/// A method that was asked for but has no run, and factors that have no effect.
void warn_of_unused(const std::vector<InputRun>& runs, const Options& options, Warnings& warnings) {
  std::set<std::string> names(options.methods.begin(), options.methods.end());
  const bool by_factor =
      options.accounting == Accounting::paper || options.accounting == Accounting::optimistic;
  for (const auto& [method, factor] : options.factors) {
    if (by_factor) names.insert(method);
    else warnings.push_back({"factor_unused", method, "", {}});
  }
  for (const InputRun& run : runs) names.erase(run.method);
  for (const std::string& name : names) warnings.push_back({"method_not_found", name, "", {}});
}

}  // namespace

bool Results::any_fit() const {
  return std::any_of(methods.begin(), methods.end(),
                     [](const Method& method) { return method.fits.power.has_curve(); });
}

const Method* Results::find(std::string_view name) const {
  const auto found = std::find_if(methods.begin(), methods.end(),
                                  [&](const Method& method) { return method.name == name; });
  return found == methods.end() ? nullptr : &*found;
}

const Bootstrap& Results::bootstrap_of(const Method& method) const {
  return bootstraps[static_cast<std::size_t>(&method - methods.data())];
}

Results analyse(const Options& options) {
  Results results;
  results.options = options;
  std::vector<InputRun> inputs = read_inputs(options);
  warn_of_unused(inputs, options, results.warnings);
  const std::vector<Run> runs = clean_runs(std::move(inputs), options, results.warnings);
  results.methods = fit_methods(runs, options, results.warnings);
  for (const Method& method : results.methods)
    results.bootstraps.push_back(bootstrap(method, options));
  for (const Method& method : results.methods)
    if (const auto count = intervals_without_estimate(results, method); count > 0)
      results.warnings.push_back({"interval_without_estimate", method.name, "", count});
  const Method* reference = results.find(options.reference);
  if (!reference) {
    results.warnings.push_back({"no_reference", options.reference, "", {}});
    return results;
  }
  for (const Method& method : results.methods)
    if (&method != reference)
      results.comparisons.push_back(compare({method, results.bootstrap_of(method)},
                                            {*reference, results.bootstrap_of(*reference)}, options,
                                            results.warnings));
  for (const Comparison& comparison : results.comparisons)
    if (const auto count = intervals_without_estimate(comparison); count > 0)
      results.warnings.push_back({"break_even_without_estimate", comparison.method, "", count});
  return results;
}

std::optional<double> log10_C_c(const Curve& curve, double compute_unit) {
  const auto log = curve.log_C_c();
  if (!log) return std::nullopt;
  return (*log - std::log(compute_unit)) / std::log(10.0);
}

std::optional<double> C_c(const std::optional<double>& log10_C_c) {
  if (!log10_C_c || !(std::abs(*log10_C_c) < 300)) return std::nullopt;
  return std::pow(10.0, *log10_C_c);
}

std::optional<Interval> alpha_interval(const Bootstrap& bootstrap) {
  return interval_of(bootstrap, [](const Replicate& r) {
    return r.power.has_curve() ? r.power.curve.alpha : std::numeric_limits<double>::quiet_NaN();
  });
}

std::optional<Interval> log10_C_c_interval(const Bootstrap& bootstrap, double compute_unit) {
  return interval_of(bootstrap, [&](const Replicate& r) {
    const auto value = r.power.has_curve() ? log10_C_c(r.power.curve, compute_unit) : std::nullopt;
    return value.value_or(std::numeric_limits<double>::quiet_NaN());
  });
}

}  // namespace dfascale::fit
