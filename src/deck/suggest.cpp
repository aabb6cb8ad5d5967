#include "deck/suggest.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <string>

namespace dfascale {

int edit_distance(std::string_view a, std::string_view b) {
  // Row i of the table holds the distances from a's first i letters to b's first 0, 1, … letters.
  using Row = std::vector<int>;
  std::vector<Row> table(a.size() + 1, Row(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) table[i][0] = static_cast<int>(i);
  for (std::size_t j = 0; j <= b.size(); ++j) table[0][j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int replaced = table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      table[i][j] = std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
    }
  }
  return table[a.size()][b.size()];
}

std::string_view nearest(std::string_view typed, const std::vector<std::string_view>& known) {
  constexpr std::size_t longest = 64;  // of what anybody types
  if (typed.size() > longest) return {};
  std::string lower(typed);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view best;
  int best_distance = std::numeric_limits<int>::max();
  for (const std::string_view word : known) {
    const int distance = edit_distance(lower, word);
    const int tolerated = std::max(1, static_cast<int>(word.size()) / 3);
    if (distance <= tolerated && distance < best_distance) {
      best = word;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace dfascale
