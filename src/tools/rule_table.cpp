#include "tools/rule_table.hpp"

#include "base/log.hpp"
#include "model/parameters.hpp"

namespace dfascale {
namespace {

/// Forward 2, and 2 each for input and weight gradients where blocks are trained by them.
double paper_factor_of(const Rule& rule) {
  switch (rule.inner) {
    case Credit::chain: return 6;
    case Credit::direct: return 4;
    case Credit::none: return 2;
  }
  return 6;
}

}  // namespace

std::vector<NamedRule> compared_rules() {
  std::vector<NamedRule> found;
  for (Rule rule : rules) {
    found.push_back({std::string(rule.name), rule});
    if (rule.inner != Credit::none) continue;
    rule.train_projector = true;
    found.push_back({std::string(rule.name) + "-projector", rule});
  }
  return found;
}

std::vector<RuleCost> rule_costs(const Shape& shape) {
  std::vector<RuleCost> costs;
  for (const NamedRule& named : compared_rules()) {
    const ParameterTable table(shape, named.rule);
    const double factor = paper_factor_of(named.rule);
    costs.push_back({named.name, table.count_trained(), flops_per_token(shape, named.rule), factor,
                     factor * static_cast<double>(table.count())});
  }
  return costs;
}

void say_flops(const Flops& f) {
  log::say(
      "FLOP per token  {:.6g} (forward {:.4g}, input gradients {:.4g}, weight gradients {:.4g}, "
      "feedback {:.4g})",
      f.total(), f.forward, f.input_gradients, f.weight_gradients, f.feedback);
}

}  // namespace dfascale
