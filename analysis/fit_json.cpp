// One function per object of the schema; what does not exist is null.
#include "analysis/fit_json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/escape.hpp"

namespace dfascale::fit {
namespace {

using Json = nlohmann::ordered_json;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class T>
Json maybe(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}
Json maybe(const std::optional<char>& letter) {
  return letter ? Json(std::string(1, *letter)) : Json();
}
Json maybe(const std::optional<Interval>& interval) {
  return interval ? Json::array({interval->low, interval->high}) : Json();
}
Json number_if(bool exists, double value) { return exists ? Json(value) : Json(); }

Json options_json(const Options& o) {
  return {{"runs", o.run_folders},
          {"csv", o.csv_files},
          {"accounting", word(o.accounting)},
          {"loss", word(o.loss)},
          {"methods", o.methods},
          {"reference", o.reference},
          {"factor", o.factors},
          {"bootstrap", o.bootstrap},
          {"seed", o.seed},
          {"bootstrap_kind", word(o.bootstrap_kind)},
          {"classify", word(o.classify)},
          {"surface", o.surface == Surface::fitted},
          {"bin", o.bin},
          {"h", o.h},
          {"warmup_frac", o.warmup_frac},
          {"edge_keep", o.edge_keep},
          {"min_points", o.min_points},
          {"min_span", o.min_span},
          {"min_span_offset", o.min_span_offset},
          {"huber", o.huber},
          {"horizon", o.horizon},
          {"confidence", o.confidence},
          {"equiv", o.equiv},
          {"min_overlap", o.min_overlap},
          {"curved", o.curved},
          {"run_sd", o.run_sd}};
}

Json warnings_json(const Warnings& warnings) {
  Json list = Json::array();
  for (const Warning& warning : warnings) {
    Json one = {{"code", warning.code}};
    if (!warning.method.empty()) one["method"] = warning.method;
    if (!warning.run.empty()) one["run"] = warning.run;
    if (warning.count) one["count"] = *warning.count;
    list.push_back(std::move(one));
  }
  return list;
}

Json frontier_json(const Frontier& f) {
  const auto points = f.trimmed();
  const bool any = !points.empty();
  return {{"n", points.size()},
          {"n_untrimmed", f.points.size()},
          {"trim",
           {{"coverage_low", f.trim.coverage_low},
            {"coverage_high", f.trim.coverage_high},
            {"edge_low", f.trim.edge_low},
            {"edge_high", f.trim.edge_high}}},
          {"C_min", any ? Json(std::exp(points.front().x)) : Json()},
          {"C_max", any ? Json(std::exp(points.back().x)) : Json()},
          {"L_min", any ? Json(std::exp(points.back().y)) : Json()},
          {"L_max", any ? Json(std::exp(points.front().y)) : Json()}};
}

Json power_json(const PowerFit& fit, const Bootstrap& bootstrap, double unit) {
  const bool exists = fit.has_curve();
  const auto log_C_c = exists ? log10_C_c(fit.curve, unit) : std::nullopt;
  const auto value = C_c(log_C_c);
  return {{"status", word(fit.status)},
          {"n", fit.n},
          {"alpha", number_if(exists, fit.curve.alpha)},
          {"ln_K", number_if(exists, fit.curve.p)},
          {"log10_C_c", maybe(log_C_c)},
          {"C_c", maybe(value)},
          {"C_c_paper_literal", value ? Json(1 / *value) : Json()},
          {"rmse_ln", number_if(exists, fit.rmse)},
          {"r2", number_if(exists, fit.r2)},
          {"ci",
           {{"alpha", maybe(alpha_interval(bootstrap))},
            {"log10_C_c", maybe(log10_C_c_interval(bootstrap, unit))}}}};
}

Json offset_json(const OffsetFit& fit, const Bootstrap& bootstrap, double unit) {
  const bool exists = fit.has_curve();
  const auto log_C_c = exists ? log10_C_c(fit.curve, unit) : std::nullopt;
  const auto ci = [&](double Curve::*member) {
    return maybe(interval_of(bootstrap, [&](const Replicate& r) {
      return r.offset.has_curve() ? r.offset.curve.*member : nan;
    }));
  };
  return {{"status", word(fit.status)},
          {"n", fit.n},
          {"E", number_if(exists, fit.curve.E)},
          {"alpha", number_if(exists, fit.curve.alpha)},
          {"log10_C_c", maybe(log_C_c)},
          {"C_c", maybe(C_c(log_C_c))},
          {"rmse_ln", number_if(exists, fit.rmse)},
          {"ci", {{"E", ci(&Curve::E)}, {"alpha", ci(&Curve::alpha)}}}};
}

Json surface_json(const SurfaceFit& fit, const Bootstrap& bootstrap, double huber, double factor) {
  const bool exists = fit.has_law();
  const auto ci = [&](auto value) {
    return maybe(interval_of(bootstrap, [&](const Replicate& r) {
      return r.surface.has_law() ? value(r.surface.law) : nan;
    }));
  };
  const SurfaceLaw& law = fit.law;
  return {{"status", word(fit.status)},
          {"n", fit.n},
          {"E", number_if(exists, law.E)},
          {"A", number_if(exists, std::exp(law.log_A))},
          {"B", number_if(exists, std::exp(law.log_B))},
          {"a", number_if(exists, law.a)},
          {"b", number_if(exists, law.b)},
          {"objective", number_if(exists, fit.objective)},
          {"huber_delta", huber},
          {"factor", factor},
          {"ci",
           {{"E", ci([](const SurfaceLaw& l) { return l.E; })},
            {"A", ci([](const SurfaceLaw& l) { return std::exp(l.log_A); })},
            {"B", ci([](const SurfaceLaw& l) { return std::exp(l.log_B); })},
            {"a", ci([](const SurfaceLaw& l) { return l.a; })},
            {"b", ci([](const SurfaceLaw& l) { return l.b; })}}}};
}

/// N_opt(C) = G (C / f)^(b / (a + b)) of the surface.
Json surface_sizes_json(const Method& method) {
  if (!method.surface.has_law()) return {};
  const auto& [E, log_A, log_B, a, b] = method.surface.law;
  const double log_G = (std::log(a) + log_A - std::log(b) - log_B) / (a + b);
  Json at = Json::array();
  const auto points = method.fits.frontier.trimmed();
  if (!points.empty())
    for (const double x :
         {points.front().x, (points.front().x + points.back().x) / 2, points.back().x}) {
      const double log_N = log_G + b / (a + b) * (x - std::log(method.factor));
      at.push_back({{"C", std::exp(x)},
                    {"N", std::exp(log_N)},
                    {"D", std::exp(x - std::log(method.factor) - log_N)}});
    }
  return {{"exponent", b / (a + b)}, {"G", std::exp(log_G)}, {"at", at}};
}

Json frontier_sizes_json(const Method& method) {
  const auto sizes = frontier_sizes(method.fits.frontier);
  if (!sizes) return {};
  return {{"exponent", sizes->exponent}, {"log10_coef", sizes->log10_coef}};
}

Json method_json(const Results& results, const Method& method) {
  const Bootstrap& bootstrap = results.bootstrap_of(method);
  const double unit = results.compute_unit();
  const FrontierFits& fits = method.fits;
  return {{"runs_used", method.runs.size()},
          {"sizes", method.sizes()},
          {"rows_used", method.rows},
          {"bins_used", method.bins()},
          {"mode", fits.frontier.mode == Mode::curve ? "curve" : "point"},
          {"flags", fits.frontier.flags},
          {"bootstrap_kind", word(bootstrap.kind)},
          {"run_sd", {{"value", method.run_sd.value}, {"source", method.run_sd.source}}},
          {"frontier", frontier_json(fits.frontier)},
          {"fits",
           {{"power", power_json(fits.power, bootstrap, unit)},
            {"offset", offset_json(fits.offset, bootstrap, unit)},
            {"surface",
             surface_json(method.surface, bootstrap, results.options.huber, method.factor)}}},
          {"n_opt",
           {{"surface", surface_sizes_json(method)}, {"frontier", frontier_sizes_json(method)}}}};
}

Json break_even_json(const std::vector<BreakEven>& all) {
  Json list = Json::array();
  for (const BreakEven& b : all)
    list.push_back({{"C", b.C},
                    {"M", maybe(b.M)},
                    {"M_ci", maybe(b.M_ci)},
                    {"M_power", maybe(b.M_power)},
                    {"M_offset", maybe(b.M_offset)},
                    {"M_empirical", maybe(b.M_empirical)},
                    {"note", b.note}});
  return list;
}

Json shares_json(const Comparison& c) {
  if (!c.shares) return {};
  Json json;
  for (const auto& [which, share] : *c.shares) json[std::string(1, which)] = share;
  return json;
}

Json range_json(const Comparison& c) {
  if (!c.range) return {};
  return {{"C_low", std::exp(c.range->low)},
          {"C_high", std::exp(c.range->high)},
          {"C_extended", std::exp(c.range->extended)}};
}

Json comparison_json(const Comparison& c) {
  Json json = {{"method", c.method},
               {"reference", c.reference},
               {"outcome", c.outcome},
               {"reasons", c.reasons},
               {"model", c.model ? Json(word(*c.model)) : Json()},
               {"curved", c.curved},
               {"point_letter", maybe(c.point_letter)},
               {"observed_letter", maybe(c.observed_letter)},
               {"letter_power", maybe(c.letter_power)},
               {"letter_offset", maybe(c.letter_offset)},
               {"asymptotic", maybe(c.asymptotic)},
               {"confidence", maybe(c.confidence)},
               {"shares", shares_json(c)},
               {"replicates", c.replicates},
               {"range", range_json(c)}};
  json["delta_ln_loss"] =
      c.evaluated() ? Json{{"low", c.delta[0]}, {"high", c.delta[1]}, {"extended", c.delta[2]}}
                    : Json();
  json["crossing"] =
      c.crossing
          ? Json{{"n", c.crossing->n}, {"C", maybe(c.crossing->C)}, {"where", c.crossing->where}}
          : Json();
  json["empirical"] = c.empirical ? Json{{"n", c.empirical->n},
                                         {"fraction_better", maybe(c.empirical->fraction_better)},
                                         {"mean_delta_ln_loss", maybe(c.empirical->mean_delta)}}
                                  : Json();
  json["break_even"] = break_even_json(c.break_even);
  return json;
}

}  // namespace

std::string fit_json(const Results& results) {
  const bool seconds = results.in_seconds();
  Json json = {{"schema", "dfascale-fit/1"},
               {"status", results.any_fit() ? "ok" : "no_fit"},
               {"options", options_json(results.options)},
               {"warnings", warnings_json(results.warnings)},
               {"units",
                {{"compute", seconds ? "device-seconds" : "FLOP"},
                 {"C_c", seconds ? "device-second" : "PF-day"},
                 {"loss", "nat/token"},
                 {"pf_day_in_flop", pf_day}}}};
  json["methods"] = Json::object();
  for (const Method& method : results.methods)
    json["methods"][method.name] = method_json(results, method);
  json["comparisons"] = Json::array();
  for (const Comparison& c : results.comparisons) json["comparisons"].push_back(comparison_json(c));
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string frontier_csv(const Results& results) {
  std::string text = "method,run,params,compute,loss,in_fit\n";
  for (const Method& method : results.methods) {
    const Frontier& f = method.fits.frontier;
    for (std::size_t i = 0; i < f.points.size(); ++i) {
      const FrontierPoint& p = f.points[i];
      text += fmt::format("{},{},{},{:.12g},{:.12g},{:d}\n", csv_field(method.name),
                          csv_field(p.owner->name), p.owner->params, std::exp(p.x), std::exp(p.y),
                          i >= f.first && i < f.last);
    }
  }
  return text;
}

}  // namespace dfascale::fit
