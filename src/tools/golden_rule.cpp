#include "tools/golden_rule.hpp"

#include <initializer_list>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace dfascale {
namespace {

template <class T>
T meaning(const GoldenVariant& variant, const std::string& key,
          std::initializer_list<std::pair<std::string_view, T>> words) {
  const std::string& found = variant.option(key);
  std::string allowed;
  for (const auto& [word, value] : words) {
    if (found == word) return value;
    allowed += (allowed.empty() ? "" : ", ") + std::string(word);
  }
  fail(Exit::data, "variants/{}: {} = \"{}\": expected one of {}", variant.name, key, found,
       allowed);
}

}  // namespace

Rule rule_of(const GoldenVariant& v) {
  Rule rule{};
  rule.name = v.name;
  rule.inner = meaning<Credit>(
      v, "rule", {{"bp", Credit::chain}, {"dfa", Credit::direct}, {"shallow", Credit::none}});
  rule.error = meaning<ErrorTap>(v, "error",
                                 {{"-", ErrorTap::none},
                                  {"preprojector", ErrorTap::preprojector},
                                  {"logits", ErrorTap::logits}});
  rule.granularity = meaning<Granularity>(
      v, "granularity",
      {{"-", Granularity::block}, {"block", Granularity::block}, {"layer", Granularity::layer}});
  rule.residual = meaning<Residual>(
      v, "residual", {{"vanilla", Residual::vanilla}, {"asymmetric", Residual::asymmetric}});
  rule.derivative =
      meaning<Derivative>(v, "act", {{"relu", Derivative::exact}, {"tanh", Derivative::tanh}});
  rule.embedding = meaning<EmbeddingCredit>(v, "embedding",
                                            {{"backprop", EmbeddingCredit::chain},
                                             {"block", EmbeddingCredit::block},
                                             {"direct", EmbeddingCredit::direct},
                                             {"none", EmbeddingCredit::none}});
  // The reference gives layer-wise rules F[:D] e at x0 where `block` is asked for.
  if (rule.granularity == Granularity::layer && rule.embedding == EmbeddingCredit::block)
    rule.embedding = EmbeddingCredit::direct;
  rule.feedback = meaning<Feedback>(v, "feedback",
                                    {{"-", Feedback::gaussian},
                                     {"gaussian", Feedback::gaussian},
                                     {"identity", Feedback::identity}});
  rule.train_projector = meaning<bool>(v, "train_projector", {{"0", false}, {"1", true}});
  return rule;
}

}  // namespace dfascale
