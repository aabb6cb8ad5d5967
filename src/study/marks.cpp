#include "study/marks.hpp"

#include <cctype>

namespace dfascale {

std::string mark(const Key& key, const Value& value) {
  constexpr std::pair<std::string_view, std::string_view> short_names[] = {
      {"optim.learning_rate", "lr"},
      {"model.init_std", "std"},
      {"run.seed", "s"},
      {"rule.feedback_scale", "scale"},
      {"rule.block_lr_multiplier", "blocklr"}};
  std::string name(key.name);
  for (const auto& [path, brief] : short_names)
    if (path == key.path()) name = brief;
  std::string text = "-" + name;
  for (const char c : to_toml(value)) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '+') text += c;
  }
  return text;
}

}  // namespace dfascale
