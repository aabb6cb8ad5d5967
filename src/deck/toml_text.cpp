#include "deck/toml_text.hpp"

#include "base/read_file.hpp"

namespace dfascale {

toml::table parse_toml(std::string_view text, const std::string& name) {
  check_toml_keys(text, name, Exit::usage);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    fail(Exit::usage, "{}:{}:{}: not TOML: {}", name, at.line, at.column, error.description());
  }
}

std::unique_ptr<toml::node> parse_toml_value(const std::string& value) {
  try {
    toml::table parsed = parse_toml("value = " + value, "");
    toml::node* node = parsed.get("value");
    if (parsed.size() != 1 || node == nullptr) return nullptr;
    return node->visit([](auto& one) -> std::unique_ptr<toml::node> {
      return std::make_unique<std::remove_cvref_t<decltype(one)>>(std::move(one));
    });
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace dfascale
