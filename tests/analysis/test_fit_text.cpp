// Numbers and ticks as people read them.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "analysis/gnuplot.hpp"
#include "analysis/text.hpp"

namespace dfascale::fit {
namespace {

TEST(FitText, Numbers) {
  EXPECT_EQ(pretty(3.4189), "3.42");
  EXPECT_EQ(pretty(-30.06, 3), "−30.1");
  EXPECT_EQ(pretty(414.2, 2), "414");
  EXPECT_EQ(pretty(6.0e-6, 2), "6.0×10⁻⁶");
  EXPECT_EQ(pretty(0.0), "0");
  EXPECT_EQ(short_count(269696), "270 k");
  EXPECT_EQ(short_count(1.3e6), "1.3 M");
  EXPECT_EQ(short_count(57.7e6), "58 M");
  EXPECT_EQ(short_count(999999), "1.0 M");
  EXPECT_EQ(short_count(512), "512");
  EXPECT_EQ(pretty({}), "–");
  EXPECT_EQ(power_of_ten(36.2333), "1.7×10³⁶");
  EXPECT_EQ(power_of_ten(-9.9999), "1.0×10⁻¹⁰") << "a mantissa that rounds to 10";
  EXPECT_EQ(fixed_with(-0.07, Interval{-0.08, -0.06}, 2), "−0.07 (−0.08 to −0.06)");
}

TEST(FitText, NamesAndEscapes) {
  EXPECT_EQ(display_name("dfa"), "DFA");
  EXPECT_EQ(display_name("dfa-block"), "dfa-block");
  EXPECT_EQ(display_name("DFA"), "“DFA”") << "another method than dfa";
}

TEST(FitText, KeysOfFiguresFitIntoTheirWidth) {
  EXPECT_EQ(visible_length("1.0×10⁻¹⁰"), 9U);
  EXPECT_EQ(TopKey(4, 9).rows, 1U);
  EXPECT_EQ(TopKey(5, 30).rows, 3U) << "two columns";
  EXPECT_EQ(TopKey(20, 31).rows, 10U);
  EXPECT_EQ(TopKey(3, 90).rows, 3U) << "one column, however long";
  EXPECT_GT(TopKey(20, 31).height, 10 * 20);
  EXPECT_GE(TopKey(20, 90).left, 0);
}

TEST(FitText, LooksOfSixteenMethodsDiffer) {
  std::set<std::pair<std::string, int>> looks;
  for (std::size_t i = 0; i < 16; ++i) looks.emplace(look(i).colour, look(i).point);
  EXPECT_EQ(looks.size(), 16U);
}

TEST(FitText, TicksAreFewAndInRange) {
  for (const auto& [low, high] :
       {std::pair{3.2, 3.4}, {2.7, 6.5}, {0.8, 1.3}, {1e-3, 1e12}, {3, 30}}) {
    const auto ticks = log_ticks(low, high);
    EXPECT_GE(ticks.size(), 3U) << low << " " << high;
    EXPECT_LE(ticks.size(), 16U) << low << " " << high;
    for (const double tick : ticks) {
      EXPECT_GE(tick, low * 0.99999);
      EXPECT_LE(tick, high * 1.00001);
    }
  }
}

}  // namespace
}  // namespace dfascale::fit
