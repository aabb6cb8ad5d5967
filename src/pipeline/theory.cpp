#include "pipeline/theory.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace dfascale {
namespace {

using Idle = std::optional<double>;

double others(const EqualRanks& r) { return r.ranks - 1; }

/// Idle time, and what a meeting at the end of the step makes of it: the last rank begins `late`
/// after the first, and all wait for it.
double with_meeting(const EqualRanks& r, double idle, double late) {
  return r.steps == EqualRanks::Steps::meet ? std::max(idle, late) : idle;
}

/// All forwards, then all backwards: the way up and the way down.  Without a way down ranks only
/// start later than each other.
Idle gpipe(const EqualRanks& r) {
  const double up = others(r) * r.forward;
  if (r.signal == Signal::chained) return up + others(r) * r.backward();
  return r.micro_batches >= r.ranks ? Idle(with_meeting(r, 0, up)) : std::nullopt;
}

/// With direct signals the first rank still holds as many micro-batches as the way to the head
/// wants, but the last only one: it is the way up that is lost.
Idle one_f_one_b(const EqualRanks& r) {
  if (r.signal == Signal::chained) return others(r) * (r.forward + r.backward());
  return r.micro_batches >= r.ranks ? Idle(others(r) * r.forward) : std::nullopt;
}

Idle interleaved(const EqualRanks& r) {
  if (r.micro_batches % r.ranks != 0 || r.signal == Signal::direct) return std::nullopt;
  return others(r) * (r.forward + r.backward()) / r.virtual_stages;
}

/// The first rank waits for the first gradient to come down past the others; what its forwards are
/// longer than the weight gradients that fill its last steps is lost as well.
Idle zb_h1(const EqualRanks& r) {
  if (r.micro_batches < r.ranks) return std::nullopt;
  const double idle = others(r) * (r.input + std::max(0.0, r.forward - r.weight));
  return with_meeting(r, idle, others(r) * r.forward);
}

/// One forward more for each rank above fills that wait, as far as it is as long as an input
/// gradient; two weight gradients for each fill the last steps.
Idle zb_h2(const EqualRanks& r) {
  if (r.micro_batches < 2 * r.ranks - 1) return std::nullopt;
  const double idle =
      others(r) * std::max({0.0, r.input - r.forward, r.forward + r.input - 2 * r.weight});
  return with_meeting(r, idle, others(r) * r.forward);
}

Idle zb_v(const EqualRanks& r) {
  const double tolerance = 1e-9 * r.forward;
  const bool equal =
      std::abs(r.forward - r.input) <= tolerance && std::abs(r.forward - r.weight) <= tolerance;
  if (!equal || r.micro_batches < 2 * r.ranks) return std::nullopt;
  return with_meeting(r, 0, others(r) * r.forward / 2);
}

/// The error of a micro-batch is there p forwards after the first rank began it.  With k micro-
/// batches in flight the rank has done k forwards by then, and k - 1 backwards by the time it wants
/// the step's last error.
Idle unlocked(const EqualRanks& r) {
  const std::int32_t k = r.in_flight > 0 ? r.in_flight : r.ranks;
  if (r.micro_batches < std::min(k, r.ranks)) return std::nullopt;
  if (k >= r.ranks && r.backward() >= r.forward) return with_meeting(r, 0, others(r) * r.forward);
  const double way = r.ranks * r.forward;
  if (k * (r.forward + r.backward()) < way + r.backward() || r.steps == EqualRanks::Steps::meet)
    return std::nullopt;
  return std::max(0.0, way - k * r.forward) +
         std::max(0.0, others(r) * r.forward - (k - 1) * r.backward());
}

struct Formula {
  std::string_view schedule;
  Idle (*idle)(const EqualRanks&);
};
constexpr std::array formulas = {
    Formula{"gpipe", gpipe},      Formula{"1f1b", one_f_one_b}, Formula{"interleaved", interleaved},
    Formula{"zb-h1", zb_h1},      Formula{"zb-h2", zb_h2},      Formula{"zb-v", zb_v},
    Formula{"unlocked", unlocked}};

}  // namespace

std::optional<double> idle_in_theory(std::string_view schedule, const EqualRanks& ranks) {
  if (ranks.ranks == 1) return 0.0;
  const auto found = std::find_if(formulas.begin(), formulas.end(),
                                  [&](const Formula& f) { return f.schedule == schedule; });
  return found == formulas.end() ? std::nullopt : found->idle(ranks);
}

}  // namespace dfascale
