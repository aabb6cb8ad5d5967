// Everything a run of dfascale-fit found; the writers (fit.json, tables, report, figures) read only
// this.
#pragma once

#include <string>
#include <vector>

#include "analysis/compare.hpp"

namespace dfascale::fit {

struct Results {
  Options options;
  std::vector<Method> methods;        ///< by name
  std::vector<Bootstrap> bootstraps;  ///< of each method
  std::vector<Comparison> comparisons;
  Warnings warnings;

  /// Whether any method has a power fit.
  bool any_fit() const;
  bool in_seconds() const { return options.accounting == Accounting::seconds; }
  /// FLOP in the unit of C_c (PF-day), or 1 device-second.
  double compute_unit() const { return in_seconds() ? 1 : pf_day; }
  const Method* find(std::string_view name) const;
  const Bootstrap& bootstrap_of(const Method& method) const;
};

/// Reads, cleans, fits, bootstraps and compares.  Throws InputError.
Results analyse(const Options& options);

/// log10 of C_c in the unit of the results, if the curve scales.
std::optional<double> log10_C_c(const Curve& curve, double compute_unit);
/// C_c itself; nothing where it does not fit a double.
std::optional<double> C_c(const std::optional<double>& log10_C_c);

/// Interval of a number over a method's replicates: `value` returns NaN where it does not exist.
template <class Value>
std::optional<Interval> interval_of(const Bootstrap& bootstrap, const Value& value) {
  std::vector<double> values;
  for (const Replicate& replicate : bootstrap.replicates) values.push_back(value(replicate));
  return interval(std::move(values));
}

/// Intervals of the power fit, wanted by several writers.
std::optional<Interval> alpha_interval(const Bootstrap& bootstrap);
std::optional<Interval> log10_C_c_interval(const Bootstrap& bootstrap, double compute_unit);

}  // namespace dfascale::fit
