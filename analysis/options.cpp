// The command line: names, allowed values and ranges of every option.
#include "analysis/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

namespace dfascale::fit {
namespace {

const std::map<std::string, Accounting> accountings = {{"paper", Accounting::paper},
                                                       {"optimistic", Accounting::optimistic},
                                                       {"exact", Accounting::exact},
                                                       {"seconds", Accounting::seconds}};
const std::map<std::string, Loss> losses = {{"train", Loss::train}, {"val", Loss::validation}};
const std::map<std::string, BootstrapKind> kinds = {{"auto", BootstrapKind::automatic},
                                                    {"seed", BootstrapKind::seed},
                                                    {"block", BootstrapKind::block},
                                                    {"parametric", BootstrapKind::parametric},
                                                    {"pairs", BootstrapKind::pairs}};
const std::map<std::string, Classify> classifiers = {
    {"auto", Classify::automatic}, {"power", Classify::power}, {"offset", Classify::offset}};

template <class Enum>
std::string word_of(const std::map<std::string, Enum>& words, Enum value) {
  return std::find_if(words.begin(), words.end(), [&](auto& w) { return w.second == value; })
      ->first;
}

/// Options given as text, turned into values after the parse.
struct Texts {
  std::string accounting = "paper", loss = "train", kind = "auto", classify = "auto", methods;
  std::vector<std::string> factors;
  bool no_surface = false;
};

template <class Enum>
std::vector<std::string> allowed(const std::map<std::string, Enum>& words) {
  std::vector<std::string> names;
  names.reserve(words.size());
  for (const auto& [name, value] : words) names.push_back(name);
  return names;
}

/// Numbers from low to high; nan is none of them.
CLI::Validator within(double low, double high) {
  return {[low, high](const std::string& text) {
            double value = 0;
            if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high)
              return std::string();
            return fmt::format("{} is not a number from {} to {}", text, low, high);
          },
          fmt::format("{} to {}", low, high)};
}

void add_inputs(CLI::App& app, Options& o, Texts& t) {
  app.add_option("RUNS", o.run_folders, "run folders, or folders of run folders");
  app.add_option("--csv", o.csv_files, "long CSV file (repeatable)")->allow_extra_args(false);
  app.add_option("--out", o.out, "folder for the results")->required();
  app.add_option("--accounting", t.accounting, "what compute is")
      ->check(CLI::IsMember(allowed(accountings)))
      ->capture_default_str();
  app.add_option("--loss", t.loss, "which loss")
      ->check(CLI::IsMember(allowed(losses)))
      ->capture_default_str();
  app.add_option("--methods", t.methods, "keep only these methods: a,b,...");
  app.add_option("--reference", o.reference, "method the others are compared with")
      ->capture_default_str();
  app.add_option("--factor", t.factors, "M=F: C = F N D for method M (repeatable)")
      ->allow_extra_args(false);
}

void add_bootstrap(CLI::App& app, Options& o, Texts& t) {
  app.add_option("--bootstrap", o.bootstrap, "replicates; 0: none")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "random seed")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--bootstrap-kind", t.kind, "what is resampled")
      ->check(CLI::IsMember(allowed(kinds)))
      ->capture_default_str();
  app.add_option("--classify", t.classify, "curve used for the outcome")
      ->check(CLI::IsMember(allowed(classifiers)))
      ->capture_default_str();
  app.add_flag("--no-surface", t.no_surface, "skip the fit of L(N, D)");
  app.add_option("--threads", o.threads, "threads; 0: all cores; results do not depend on it")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
}

void add_numbers(CLI::App& app, Options& o) {
  struct Number {
    const char* name;
    double* value;
    double low, high;
    const char* text;
  };
  const double big = 1e6;
  for (const Number& n : {
           Number{"--bin", &o.bin, 1e-3, 10, "bin width in ln C"},
           Number{"--h", &o.h, 1e-6, 100, "smoothing half width in ln C"},
           Number{"--warmup-frac", &o.warmup_frac, 0, 1, "share of a run's tokens left out"},
           Number{"--edge-keep", &o.edge_keep, 0, big, "ln C kept beyond a change of owner"},
           Number{"--min-span", &o.min_span, 0, big, "least span of a power fit in ln C"},
           Number{"--min-span-offset", &o.min_span_offset, 0, big, "same for the offset fit"},
           Number{"--huber", &o.huber, 1e-12, big, "delta of the surface fit"},
           Number{"--horizon", &o.horizon, 0, 100, "decades of extrapolation"},
           Number{"--confidence", &o.confidence, 0, 1, "least share of the outcome"},
           Number{"--equiv", &o.equiv, 0, big, "difference of ln L that counts as none"},
           Number{"--min-overlap", &o.min_overlap, 0, big, "least common range in ln C"},
           Number{"--curved", &o.curved, 0, 1, "rmse ratio below which a frontier is curved"},
           Number{"--run-sd", &o.run_sd, 0, big, "run-to-run sd of ln L where not measured"},
       })
    app.add_option(n.name, *n.value, n.text)->check(within(n.low, n.high))->capture_default_str();
  app.add_option("--min-points", o.min_points, "least points of a power fit")
      ->check(CLI::Range(2, 1000000))
      ->capture_default_str();
}

std::vector<std::string> split_methods(const std::string& text) {
  std::vector<std::string> names = CLI::detail::split(text, ',');
  std::erase_if(names, [](const std::string& name) { return name.empty(); });
  return names;
}

std::pair<std::string, double> parse_factor(const std::string& text) {
  const std::size_t equals = text.rfind('=');
  double factor = 0;
  if (equals == std::string::npos || equals == 0 ||
      !CLI::detail::lexical_cast(text.substr(equals + 1), factor) || !(factor > 0) ||
      !std::isfinite(factor))
    throw CLI::ValidationError(
        "--factor", fmt::format("{}: expected METHOD=FACTOR with a factor above 0, for example "
                                "dfa=4",
                                text));
  return {text.substr(0, equals), factor};
}

void settle(Options& o, const Texts& t) {
  o.accounting = accountings.at(t.accounting);
  o.loss = losses.at(t.loss);
  o.bootstrap_kind = kinds.at(t.kind);
  o.classify = classifiers.at(t.classify);
  o.surface = t.no_surface ? Surface::skipped : Surface::fitted;
  o.methods = split_methods(t.methods);
  for (const std::string& text : t.factors)
    o.factors.insert_or_assign(parse_factor(text).first, parse_factor(text).second);
  if (o.run_folders.empty() && o.csv_files.empty())
    throw CLI::RequiredError("an input (RUNS or --csv FILE)");
}

}  // namespace

std::string word(Accounting value) { return word_of(accountings, value); }
std::string word(Loss value) { return word_of(losses, value); }
std::string word(BootstrapKind value) { return word_of(kinds, value); }
std::string word(Classify value) { return word_of(classifiers, value); }

Options parse_options(int argc, const char* const* argv) {
  CLI::App app("dfascale-fit: scaling laws L(C) of training runs, compared between methods",
               "dfascale-fit");
  Options options;
  Texts texts;
  add_inputs(app, options, texts);
  add_bootstrap(app, options, texts);
  add_numbers(app, options);
  try {
    app.parse(argc, argv);
    settle(options, texts);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    throw UsageExit{status == 0 ? 0 : 2};
  }
  return options;
}

}  // namespace dfascale::fit
