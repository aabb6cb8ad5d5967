// What the keys of [rule] mean together: which do something under which rule, and the name that a
// combination gets.
#include <fmt/format.h>

#include "deck/keys.hpp"
#include "deck/words.hpp"

namespace dfascale {

std::string without_meaning(const Key& key, const Rule& rule) {
  if (key.section != "rule" || key.name == "name") return "";
  const bool feeds_back = rule.inner == Credit::direct;
  if (key.name == "train_projector") {
    if (rule.inner == Credit::none) return "";
    return fmt::format(
        "no meaning for rule.name = \"{}\", which always trains the projector; it is for shallow",
        rule.name);
  }
  if (feeds_back) return "";
  return fmt::format(
      "no meaning for rule.name = \"{}\", which feeds no error back; it is for dfa and "
      "dfa-canonical",
      rule.name);
}

std::string default_method(const Rule& rule) {
  const Rule& preset = *find_rule(rule.name);
  std::string name(rule.name);
  const auto add = [&](bool changed, std::string_view prefix, auto value) {
    if (changed) name += fmt::format("-{}{}", prefix, value);
  };
  add(rule.error != preset.error, "", word(rule.error));
  add(rule.granularity != preset.granularity, "", word(rule.granularity));
  add(rule.residual != preset.residual, "", word(rule.residual));
  add(rule.derivative != preset.derivative, "", word(rule.derivative));
  add(rule.embedding != preset.embedding, "embedding-", word(rule.embedding));
  add(rule.feedback != preset.feedback, "", word(rule.feedback));
  add(rule.feedback_scale != preset.feedback_scale, "scale-", rule.feedback_scale);
  add(rule.block_lr_multiplier != preset.block_lr_multiplier, "blocklr-", rule.block_lr_multiplier);
  if (rule.train_projector != preset.train_projector) name += "-projector";
  return name;
}

}  // namespace dfascale
