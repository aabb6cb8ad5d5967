#include "pipeline/grid.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dfascale {
namespace {

constexpr std::size_t shown_actions = 6;  // to either side of the one in brackets

}  // namespace

std::string row_around(const Plan& plan, std::size_t rank, std::size_t at) {
  const std::vector<Action>& row = plan.rows[rank];
  std::string text = fmt::format("rank {}:", rank);
  const std::size_t first = at > shown_actions ? at - shown_actions : 0;
  const std::size_t end = std::min(row.size(), at + shown_actions + 1);
  if (first > 0) text += " ...";
  for (std::size_t i = first; i < end; ++i) {
    const std::string name = short_name(row[i]);
    text += i == at ? fmt::format(" [{}]", name) : fmt::format(" {}", name);
  }
  return end < row.size() ? text + " ..." : text;
}

}  // namespace dfascale
