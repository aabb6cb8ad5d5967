// Tests that run for each rule.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace dfascale::test {

inline auto all_rules() {
  return testing::Values<std::string>("bp", "dfa", "dfa-canonical", "shallow");
}

/// "dfacanonical" for "dfa-canonical": GoogleTest takes no dashes.
inline std::string rule_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return name;
}

}  // namespace dfascale::test
