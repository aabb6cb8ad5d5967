// Training runs with a known compute-optimal law, for the tests of dfascale-fit.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "analysis/input.hpp"
#include "analysis/random.hpp"

namespace dfascale::fit::test {

/// L(N, D) = E + A / N^a + B / D^b, built so that the best loss at C = f N D is exactly
/// E + (L0 - E) (C / C0)^alpha: both terms shrink alike along the optimum N = G (C / f)^(1/2).
struct TrueLaw {
  std::string method;
  double alpha;
  double L0;  ///< best loss at C0
  double E = 0;
  double factor = 6;

  static constexpr double C0 = 1e16;
  double slope() const { return -2 * alpha; }  ///< a = b

  double loss(double N, double D) const {
    const double tokens_per_parameter = 60;
    const double N0 = std::sqrt(C0 / (factor * tokens_per_parameter)),
                 D0 = tokens_per_parameter * N0;
    return E + 0.5 * (L0 - E) * (std::pow(N / N0, -slope()) + std::pow(D / D0, -slope()));
  }
  /// ln of the best loss at ln C (E = 0).
  double log_best(double x) const { return std::log(L0) + alpha * (x - std::log(C0)); }
};

/// How a study is sampled.
struct Sampling {
  int seeds = 2;
  int points = 56;
  double noise = 0.003;   ///< sd of ln L, correlated along a run
  double run_sd = 0.001;  ///< sd of ln L from run to run
  std::uint64_t seed = 1;
  std::vector<double> sizes = {1e6, 2e6, 4e6, 8e6, 16e6, 32e6};
  double last_tokens = 2e9;
};

inline InputRun make_run(const TrueLaw& law, double N, const std::string& name, const Sampling& s) {
  Stream random(s.seed, law.method + name, 0);
  InputRun run{law.method, name, N, 0, {}, {}};
  const double shift = s.run_sd * random.normal(), memory = 0.8;
  double z = random.normal();
  for (int i = 0; i < s.points; ++i) {
    const double D = s.last_tokens * std::pow(1e-3, 1 - i / (s.points - 1.0));
    const double loss = law.loss(N, D) * std::exp(shift + s.noise * z);
    run.rows.push_back({D, law.factor * N * D, loss, 0});
    z = memory * z + std::sqrt(1 - memory * memory) * random.normal();
  }
  return run;
}

inline std::vector<InputRun> make_study(const std::vector<TrueLaw>& laws, const Sampling& s) {
  std::vector<InputRun> runs;
  for (const TrueLaw& law : laws)
    for (const double N : s.sizes)
      for (int seed = 0; seed < s.seeds; ++seed)
        runs.push_back(make_run(law, N, fmt::format("{:.0f}k_s{}", N / 1000, seed), s));
  return runs;
}

/// The study as a long CSV.
inline std::string long_csv(const std::vector<InputRun>& runs) {
  std::string text = "run,method,params,tokens,compute,loss\n";
  for (const InputRun& run : runs)
    for (const InputRow& row : run.rows)
      text += fmt::format("{},{},{:.0f},{:.0f},{:.9e},{:.6f}\n", run.name, run.method, run.params,
                          row.tokens, row.cost, row.loss);
  return text;
}

}  // namespace dfascale::fit::test
