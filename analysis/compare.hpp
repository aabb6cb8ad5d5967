// One method against the reference: outcome A-D of the paper, or why the data do not say.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/bootstrap.hpp"

namespace dfascale::fit {

enum class Model { power, offset };
std::string word(Model model);

/// Compute multiplier M = C_X / C_R at equal loss, at one compute of the reference.
struct BreakEven {
  double C = 0;
  std::optional<double> M, M_power, M_offset, M_empirical;  ///< M: of the model
  std::optional<Interval> M_ci;
  std::vector<std::string> note;  ///< unreachable, beyond_data, reference_outside_data
};

struct Comparison {
  std::string method, reference, outcome = "indeterminate";
  std::vector<std::string> reasons;
  std::optional<Model> model;
  std::vector<std::string> curved;
  std::optional<char> point_letter, observed_letter, letter_power, letter_offset, asymptotic;
  std::optional<double> confidence;
  std::optional<std::map<char, double>> shares;
  std::int64_t replicates = 0;  ///< usable ones

  struct Range {
    double low, high, extended;  ///< ln C
  };
  std::optional<Range> range;
  std::array<double, 3> delta{};  ///< ln L_X - ln L_R at low, high, extended

  struct Crossing {
    int n = 0;
    std::optional<double> C;
    std::string where = "none";  ///< none, inside, extended
  };
  std::optional<Crossing> crossing;

  struct Empirical {
    std::int64_t n = 0;
    std::optional<double> fraction_better, mean_delta;
  };
  std::optional<Empirical> empirical;
  std::vector<BreakEven> break_even;

  /// Whether a model was evaluated (neither no_fit nor no_overlap).
  bool evaluated() const { return model.has_value(); }
};

/// A method with its bootstrap.
struct Candidate {
  const Method& method;
  const Bootstrap& bootstrap;
};

Comparison compare(const Candidate& x, const Candidate& reference, const Options& options,
                   Warnings& warnings);

/// The curve of a model, if its fit has one.
std::optional<Curve> curve_of(const PowerFit& power, const OffsetFit& offset, Model model);

/// A: X always better, B: X at scale, C: the reference at scale, D: the reference always better.
char letter(double delta_low, double delta_high);

/// ln of a frontier at x by linear interpolation; nothing outside it.
std::optional<double> interpolate(std::span<const FrontierPoint> points, double x);
/// x at which the frontier has ln L = y; nothing where it has no such loss.
std::optional<double> interpolate_compute(std::span<const FrontierPoint> points, double y);

}  // namespace dfascale::fit
