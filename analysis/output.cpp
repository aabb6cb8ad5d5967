// Writing of the result folder and the summary on screen.
#include "analysis/output.hpp"

#include <fmt/format.h>

#include "analysis/figures.hpp"
#include "analysis/fit_json.hpp"
#include "analysis/report.hpp"
#include "analysis/table1.hpp"
#include "analysis/text.hpp"
#include "base/write_file.hpp"

namespace dfascale::fit {

namespace fs = std::filesystem;

namespace {

/// The fits are on disk already: what goes wrong here is said, and the rest is still drawn.
void draw_figures(const Results& results, const fs::path& out) {
  bool no_gnuplot = false;
  for (const auto draw : {draw_frontier, draw_outcomes, draw_break_even, draw_accountings,
                          draw_learning_rates, draw_alignment}) {
    try {
      no_gnuplot |= draw(results, out) == Drawn::no_gnuplot;
    } catch (const InputError& error) {
      fmt::print(stderr, "dfascale-fit: a figure is missing: {}\n", error.what());
    }
  }
  if (no_gnuplot)
    fmt::print(stderr,
               "dfascale-fit: gnuplot failed or is not installed: the figures' scripts "
               "(*.gp) are in {}; draw them with `gnuplot NAME.gp` there\n",
               out.string());
}

/// The outcome on screen: one line per method, one per comparison.
void print_summary(const Results& results) {
  for (const Method* method : ordered_methods(results)) {
    const PowerFit& fit = method->fits.power;
    const auto log_C_c = log10_C_c(fit.curve, results.compute_unit());
    if (!fit.has_curve()) fmt::print("{}: {}\n", display_name(method->name), word(fit.status));
    else
      fmt::print("{}: alpha {}, C_c {} {}\n", display_name(method->name),
                 fixed_with(fit.curve.alpha, alpha_interval(results.bootstrap_of(*method)), 4),
                 log_C_c ? power_of_ten(*log_C_c) : "–", compute_unit_name(results));
  }
  for (const Comparison& c : results.comparisons)
    fmt::print("{}\n", plain_sentence(results, c, plain));
  if (!results.warnings.empty())
    fmt::print("{} warning{}, see report.md\n", results.warnings.size(),
               results.warnings.size() == 1 ? "" : "s");
  fmt::print("results in {}\n", results.options.out);
}

}  // namespace

void write_file(const fs::path& path, const std::string& text) {
  try {
    write_atomically(path.string(), text, Folder::of_user, Exit::data);
  } catch (const Error& error) {
    throw InputError("cannot_write",
                     fmt::format("{}: {}; check that the folder given by --out is writable and has "
                                 "space",
                                 path.string(), error.what()));
  }
}

void write_outputs(const Results& results) {
  const fs::path out = results.options.out;
  std::error_code error;
  fs::create_directories(out, error);
  write_file(out / "fit.json", fit_json(results));
  write_file(out / "frontier.csv", frontier_csv(results));
  write_file(out / "table1.md", table1_md(results));
  write_file(out / "report.md", report_md(results));
  draw_figures(results, out);
  print_summary(results);
}

}  // namespace dfascale::fit
