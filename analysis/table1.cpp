// Table 1 with units spelled out, and the erratum on the printed formula.
#include "analysis/table1.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/report.hpp"
#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

const PaperRow* paper_row(std::string_view method) {
  const auto row = std::find_if(paper_table.begin(), paper_table.end(),
                                [&](const PaperRow& r) { return method == r.method; });
  return row == paper_table.end() ? nullptr : row;
}

std::string ours(const Results& results, const Method* method) {
  const PowerFit* power = method ? &method->fits.power : nullptr;
  if (!power || !power->has_curve()) return "– | – | –";
  const Bootstrap& bootstrap = results.bootstrap_of(*method);
  const auto log_C_c = log10_C_c(power->curve, results.compute_unit());
  return fmt::format("{} | {} | {}", fixed_with(power->curve.alpha, alpha_interval(bootstrap), 4),
                     log_C_c ? power_of_ten(*log_C_c) : "–",
                     log_C_c ? power_of_ten(-*log_C_c) : "–");
}

std::string offset_columns(const Method* method) {
  if (!method || !method->fits.offset.has_curve()) return "– | –";
  const Curve& curve = method->fits.offset.curve;
  return fmt::format("{} | {}", fixed(curve.E, 3), fixed(curve.alpha, 4));
}

std::string row(const Results& results, const std::string& name) {
  const PaperRow* paper = paper_row(name);
  const Method* method = results.find(name);
  return fmt::format("| {} | {} | {} | {} | {} |\n", markdown(display_name(name)),
                     paper ? fixed(paper->alpha, 3) : "–",
                     paper ? power_of_ten(std::log10(paper->C_c)) : "–", ours(results, method),
                     offset_columns(method));
}

}  // namespace

std::string table1_md(const Results& results) {
  const std::string unit = compute_unit_name(results);
  const std::string inverse = results.in_seconds() ? "device-seconds⁻¹" : "PF-days⁻¹";
  std::string text = "# Table 1: scaling of the loss with compute\n\n";
  text += fmt::format(
      "| Method | α_C, paper | C_c, paper [PF-days⁻¹, as printed] | α_C, ours (95 % interval) | "
      "C_c, ours [{}], L = (C/C_c)^α | literal 1/C_c [{}] | E of L = E + (C/C_c)^α [nat] | "
      "its α |\n|---|---|---|---|---|---|---|---|\n",
      unit, inverse);
  for (const PaperRow& paper : paper_table) text += row(results, paper.method);
  for (const Method* method : ordered_methods(results))
    if (!paper_row(method->name)) text += row(results, method->name);
  text += "\n";
  for (const Comparison& c : results.comparisons)
    text += "- " + plain_sentence(results, c, markdown) + "\n";
  text += fmt::format(
      "\nThe paper prints L(C) = (C_c·C)^α, which with its own numbers would mean less than one "
      "nat at 1 PF-day and shallow training ahead of BP; L(C) = (C/C_c)^α with C_c in PF-days is "
      "meant and is what is fitted here. The literal column holds 1/C_c, the constant that the "
      "printed formula would need.\n\nAccounting: {}. Loss: {}, nat per token. A dash means that "
      "there is no such fit or no such number in the paper.\n",
      accounting_sentence(results.options, markdown),
      results.options.loss == Loss::train ? "training" : "validation");
  return text;
}

}  // namespace dfascale::fit
